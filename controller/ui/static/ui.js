// Keeps a page up to date: asks for the page itself again when there is something new, and puts in what differs.
"use strict";
(() => {
  const connection = document.getElementById("connection");
  const announcement = document.getElementById("announcement");
  const UNITS = [[86400, "d"], [3600, "h"], [60, "min"], [1, "s"]];
  const PAUSE = 2000;
  let asked = 0, last = 0, due = 0;

  function tell(state, words) {
    connection.dataset.state = state;
    connection.lastElementChild.textContent = words;
  }

  function ago(element) {
    const seconds = Math.floor((Date.now() - Date.parse(element.dateTime)) / 1000);
    const unit = UNITS.find(([size]) => seconds >= size);
    element.textContent = unit ? `${Math.floor(seconds / unit[0])} ${unit[1]} ago` : "now";
  }

  function takeOver(fresh) {
    if (!fresh.getElementById("content")) return;
    for (const part of document.querySelectorAll("[data-live]")) {
      const news = fresh.getElementById(part.id);
      if (!news || news.innerHTML === part.innerHTML) continue;
      const open = [...part.querySelectorAll("details[open][id]")].map((each) => each.id);
      const focused = part.contains(document.activeElement) ? place(document.activeElement) : null;
      part.replaceChildren(...document.adoptNode(news).childNodes);
      open.forEach((id) => document.getElementById(id)?.setAttribute("open", ""));
      if (focused) part.querySelector(focused)?.focus({ preventScroll: true });
    }
    document.title = fresh.title;
  }

  // What finds the element again that had the focus, in the page that takes the place of this one.
  function place(element) {
    if (element.id) return `#${CSS.escape(element.id)}`;
    if (element.tagName === "SUMMARY") return `#${CSS.escape(element.parentElement.id)} > summary`;
    return element.getAttribute("href") ? `a[href="${CSS.escape(element.getAttribute("href"))}"]` : null;
  }

  async function refresh(address = location.href) {
    const number = ++asked;
    last = Date.now();
    try {
      const answer = await fetch(address, { headers: { Accept: "text/html" } });
      const text = await answer.text();
      if (number === asked) takeOver(new DOMParser().parseFromString(text, "text/html"));
    } catch {
      tell("away", "No connection");
    }
  }

  // Many pages may be open, and much may change: each asks every two seconds at most, and none that nobody sees.
  function refreshSoon(words) {
    if (document.hidden || due) return;
    due = setTimeout(async () => {
      due = 0;
      await refresh();
      announcement.textContent = words;
    }, Math.max(0, last + PAUSE - Date.now()));
  }

  function watch() {
    const source = new EventSource("/ui/events");
    source.onopen = () => {
      if (connection.dataset.state === "away") refresh(); // what there was meanwhile was not told
      tell("live", "Live");
    };
    source.addEventListener("change", (event) => refreshSoon(JSON.parse(event.data).words));
    source.onerror = () => {
      tell("away", source.readyState === EventSource.CLOSED ? "Looks now and then" : "Connecting again");
      if (source.readyState === EventSource.CLOSED) setTimeout(watch, 30000);
    };
  }

  function search(form) {
    let timer = 0;
    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => {
        const address = new URL(form.action);
        for (const [name, value] of new FormData(form)) if (value) address.searchParams.set(name, value);
        history.replaceState(null, "", address);
        refresh();
      }, 200);
    });
  }

  document.querySelectorAll("form[data-search]").forEach(search);
  setInterval(() => document.querySelectorAll("time:not([data-fixed])").forEach(ago), 1000);
  const every = Number(document.querySelector("[data-every]")?.dataset.every || 30);
  setInterval(() => document.hidden || refresh(), every * 1000);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
  watch();
})();
