"""The web page in a real browser: what it shows, that it follows changes by itself, and that everybody can use it."""

from itertools import product
from urllib.parse import quote

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, ViewportSize, expect
from roles.processes import eventually
from ui.conftest import SHOTS, MakePage, Site, Swarm

PAGES = {
    "overview": "/ui",
    "services": "/ui/services",
    "service": "/ui/services/good",
    "wrong-service": "/ui/services/bad",
    "missing-service": "/ui/services/none",
    "nothing-found": "/ui/services?q=nothing+like+that",
    "routes": "/ui/routes",
    "tried": "/ui/routes?url=http%3A%2F%2Fa.example%2Fgood",
    "certificates": "/ui/certificates",
    "history": "/ui/history",
}
SIZES: dict[str, ViewportSize] = {
    "wide": {"width": 1280, "height": 900},
    "phone": {"width": 390, "height": 844},
}


def live(page: Page) -> Page:
    """Wait until a page hears of changes."""
    expect(page.locator("#connection")).to_have_text("Live")
    return page


@pytest.mark.parametrize("name", PAGES)
def test_everybody_can_use_it(site: Site, open_page: MakePage, name: str) -> None:
    """By the rules that axe knows, in both colours, on a desk and on a phone; nothing is wider than the screen."""
    page = live(open_page(site.proxy, PAGES[name]))
    SHOTS.mkdir(parents=True, exist_ok=True)
    for size, scheme in product(SIZES, ("light", "dark")):
        page.set_viewport_size(SIZES[size])
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=SHOTS / f"{name}-{size}-{scheme}.png", full_page=True)
        found = Axe().run(page)
        assert found.violations_count == 0, (size, scheme, found.generate_report())
        assert page.evaluate("document.documentElement.scrollWidth") <= SIZES[size]["width"]


def test_a_change_is_there_without_reloading_the_page(site: Site, open_page: MakePage) -> None:
    """And is told to those who cannot see it."""
    page = live(open_page(site.proxy, "/ui/services"))
    page.evaluate("window.isTheSame = true")
    site.put("fresh", "/fresh")
    row = page.get_by_role("row").filter(has=page.get_by_role("link", name="fresh", exact=True))
    expect(row).to_contain_text("Programmed")
    expect(row).to_contain_text("/fresh")
    expect(page.locator("#announcement")).to_contain_text("fresh added")
    site.drop("fresh")
    expect(row).to_have_count(0)
    assert page.evaluate("window.isTheSame")


def test_history_tells_what_was_gained_and_lost_and_by_which_commands(site: Site, open_page: MakePage) -> None:
    """The newest first; what was unfolded stays so when there is news."""
    site.put("moved", "/before")
    site.answers("/before")
    site.put("moved", "/after")
    site.answers("/after")
    page = live(open_page(site.proxy, "/ui/history"))
    entry = page.get_by_role("article").first
    expect(entry).to_contain_text("moved changed")
    expect(entry.locator(".gained code")).to_have_text("/after")
    expect(entry.locator(".lost code")).to_have_text("/before")
    expect(entry).to_contain_text("stack file")
    unfolded = page.locator(f"#{entry.locator('details').get_attribute('id')}")
    unfolded.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(unfolded.get_by_text("maps/prefixes.map").first).to_be_visible()
    site.drop("moved")
    expect(page.get_by_role("article").first).to_contain_text("moved removed")
    expect(unfolded).to_have_attribute("open", "")
    expect(unfolded.locator("summary")).to_be_focused()


def test_a_service_shows_its_labels_and_what_haproxy_says_of_its_servers(site: Site, open_page: MakePage) -> None:
    """What may be secret is hidden; the figures follow the requests."""
    site.put("guarded", "/guarded", users="ann:s3cret-of-ann", **{"servicePath.2": "/more", "port.2": site.port})
    site.told("guarded", "Programmed")
    page = live(open_page(site.proxy, "/ui/services/guarded"))
    labels = page.get_by_role("region", name="Labels")
    users = labels.get_by_role("row").filter(has_text="com.df.users")
    expect(users).to_contain_text("hidden")
    expect(users).to_contain_text("Users who may access the service")
    expect(labels.get_by_role("row").filter(has_text="com.df.servicePath.2")).to_contain_text("For destination 2")
    assert "s3cret-of-ann" not in page.content()
    figures = page.get_by_role("table", name=f"guarded-be{site.port}_2").get_by_role("row").last
    expect(figures.locator("td[data-label='Total']")).to_have_text("0")
    for _ in range(3):
        assert site.proxy.through("/more", Authorization="Basic YW5uOnMzY3JldC1vZi1hbm4=").is_success
    expect(figures.locator("td[data-label='Total']")).to_have_text("3")
    site.drop("guarded")
    expect(page.get_by_role("heading", level=1)).to_have_text("No such service")


def test_a_url_can_be_tried_and_what_is_told_follows_the_world(site: Site, open_page: MakePage) -> None:
    """Who answers it, or that nobody does; what is no URL is said to be none."""
    page = live(open_page(site.proxy, "/ui/routes"))
    page.get_by_label("URL", exact=True).fill("http://a.example/tried/it")
    page.get_by_role("button", name="Explain").click()
    told = page.get_by_role("article", name="What becomes of it")
    expect(told).to_contain_text("Nobody answers")
    live(page)
    site.put("tried", "/tried")
    expect(told).to_contain_text("A service answers")
    expect(told.get_by_role("link", name="tried")).to_have_attribute("href", "/ui/services/tried")
    expect(page.get_by_label("URL", exact=True)).to_have_value("http://a.example/tried/it")
    site.drop("tried")
    expect(told).to_contain_text("Nobody answers")
    page.get_by_label("URL", exact=True).fill("ftp://a.example/")
    page.get_by_role("button", name="Explain").click()
    expect(page.get_by_text("the URL begins with 'ftp'")).to_be_visible()


def test_a_source_that_cannot_be_read_is_told_at_once_and_so_is_its_end(site: Site, open_page: MakePage) -> None:
    """Though nothing is reconciled then that would change anything."""
    page = live(open_page(site.proxy, "/ui"))
    state = page.get_by_role("region", name="State of this proxy")
    expect(state).to_contain_text("Converged")
    site.file.write_text("services: [")
    expect(state).to_contain_text("Stale")
    expect(state).to_contain_text("stack.yml")
    site.write()
    expect(state).to_contain_text("Converged")


HOSTILE = "/<script>alert(1)</script>\"'><img src=x onerror=alert(1)>{{7*7}}"


def test_what_labels_say_is_text_and_nothing_else(site: Site, open_page: MakePage) -> None:
    """A label is written by somebody else; of a page in which it ran, `open_page` would hear."""
    site.put("hostile", HOSTILE, **{HOSTILE: HOSTILE, "port": HOSTILE})
    site.told("hostile", "InvalidLabel")
    for path in (
        "/ui/services/hostile",
        "/ui/services",
        "/ui",
        "/ui/history",
        f"/ui/routes?url={quote(HOSTILE)}",
        "/ui/services?q=%3Cscript%3E%22",
    ):
        page = live(open_page(site.proxy, path))
        assert page.locator("script").count() == 1, path
        assert page.locator("img").count() == 1, path
    expect(page.get_by_role("searchbox")).to_have_value('<script>"')
    shown = live(open_page(site.proxy, "/ui/services/hostile")).get_by_role("region", name="Labels")
    expect(shown.get_by_role("row").filter(has_text="com.df.servicePath")).to_contain_text(HOSTILE)
    site.drop("hostile")


def test_of_many_services_one_page_is_shown_and_all_are_searched(site: Site, open_page: MakePage) -> None:
    """By name, route or reason, and by state; what is typed is looked for at once, and the address says it."""
    for number in range(120):
        site.services[f"many-{number:03}"] = {"notify": True, "servicePath": f"/many/{number}", "port": "x"}
    site.write()
    site.told("many-119", "InvalidLabel")
    page = live(open_page(site.proxy, "/ui/services?state=wrong"))
    expect(page.get_by_text("1 to 50 of 121")).to_be_visible()
    page.get_by_role("link", name="Next").click()
    expect(page.get_by_text("51 to 100 of 121")).to_be_visible()
    page.get_by_role("searchbox").fill("many-11")
    expect(page.get_by_text("1 to 10 of 10")).to_be_visible()
    assert "q=many-11" in page.url
    page.get_by_role("link", name="Good 0").click()
    expect(page.get_by_text("No service is like that")).to_be_visible()
    page.get_by_role("link", name="See all services").click()
    page.get_by_role("searchbox").fill("/GOOD")
    expect(page.get_by_text("1 to 1 of 1")).to_be_visible()
    for name in [name for name in site.services if name.startswith("many-")]:
        del site.services[name]
    site.write()


def test_it_can_be_used_without_a_mouse_and_without_a_script(site: Site, open_page: MakePage) -> None:
    """The first key leads past the menu; forms and links do all there is to do."""
    page = live(open_page(site.proxy, "/ui"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#content")).to_be_focused()
    still = open_page(site.proxy, "/ui/services", java_script_enabled=False)
    still.get_by_role("searchbox").fill("good")
    still.get_by_role("searchbox").press("Enter")
    expect(still.get_by_text("1 to 1 of 1")).to_be_visible()
    expect(still.locator("#connection")).to_be_hidden()


def test_it_asks_nobody_else_for_anything(site: Site, open_page: MakePage) -> None:
    """Everything that a page needs is at the proxy itself."""
    page = open_page(site.proxy, "/ui")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in PAGES.values():
        page.goto(f"http://127.0.0.1:{site.proxy.api}{path}")
        live(page)
    assert len(asked) > len(PAGES)
    assert [url for url in asked if not url.startswith(f"http://127.0.0.1:{site.proxy.api}/ui")] == []


def test_replicas_are_listed_where_a_listener_knows_them(swarm: Swarm, open_page: MakePage) -> None:
    """Each with whether it has converged, and this one marked."""
    swarm.publish("shared")
    swarm.listener.start()
    swarm.answer("/shared")
    page = live(open_page(swarm.proxies[0], "/ui"))
    rows = page.get_by_role("region", name="Replicas").get_by_role("row").filter(has_text="Converged")
    expect(rows).to_have_count(2)
    expect(rows.filter(has_text="The same as here")).to_have_count(2)
    assert rows.filter(has_text="this one").inner_text().split("\t")[0].startswith(_name_of(page, swarm))


def _name_of(page: Page, swarm: Swarm) -> str:
    told = eventually(lambda: swarm.listener.get("/v1/replicas").json(), "the listener knows its proxies")
    return next(each["replica"] for each in told if page.url.split(":")[2].split("/")[0] in each["replica"])
