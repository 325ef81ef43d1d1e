"""What protects the web page: it only shows, browsers are told to run nothing but its script, and listeners are few."""

import re
import signal
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import pytest
from failures.conftest import start_proxy
from roles.processes import ask, eventually, plain, stack
from ui.conftest import MakePage, Site

from controller.ui.live import MOST_LISTENERS

PATHS = (
    "/ui",
    "/ui/",
    "/ui/services",
    "/ui/services/good",
    "/ui/routes",
    "/ui/certificates",
    "/ui/history",
    "/ui/events",
)


@pytest.mark.parametrize("path", PATHS)
def test_nothing_but_reading_is_possible(site: Site, path: str) -> None:
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        assert ask(f"http://127.0.0.1:{site.proxy.api}{path}", method).status_code == 405


@pytest.mark.parametrize("path", [path for path in PATHS if path != "/ui/events"])
def test_browsers_are_told_what_to_leave_alone(site: Site, path: str) -> None:
    """And nothing in a page needs more: no script, style or handler is written into it."""
    answer = site.proxy.get(path)
    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy.pop("default-src") == policy.pop("base-uri") == policy.pop("frame-ancestors") == "'none'"
    assert set(policy.values()) == {"'self'"}
    told = {name: answer.headers[name] for name in ("X-Frame-Options", "X-Content-Type-Options", "Referrer-Policy")}
    assert set(told.values()) == {"DENY", "nosniff", "no-referrer"}
    assert answer.headers["Cache-Control"] == "no-store"
    assert "set-cookie" not in answer.headers
    assert not re.search(r"<style|<script(?! src=)|\son\w+=|\sstyle=|javascript:", answer.text)


def test_whoever_knows_no_path_is_led_to_the_page(site: Site) -> None:
    answer = ask(f"http://127.0.0.1:{site.proxy.api}/")
    assert (answer.status_code, answer.headers["Location"]) == (307, "/ui")


def test_files_are_named_by_their_content_and_no_other_files_are_given(site: Site) -> None:
    """So browsers may keep them for ever."""
    page = site.proxy.get("/ui").text
    addresses = set(re.findall(r'"(/ui/static/[^"]+)"', page))
    assert len(addresses) == 3
    for address in addresses:
        answer = site.proxy.get(address)
        assert answer.is_success
        assert "immutable" in answer.headers["Cache-Control"]
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
    for name in ("none", "..%2f__init__.py", "%2e%2e/pages.py", "..%5cpages.py"):
        assert site.proxy.get(f"/ui/static/{name}").status_code == 404


@pytest.mark.parametrize(
    "query", ["page=0", "page=-1", "page=99999999999999999999", "page=x", "state=x", "q=" + "x" * 5000, "page=²"]
)
def test_what_makes_no_sense_in_an_address_is_left_out(site: Site, query: str) -> None:
    assert site.proxy.get(f"/ui/services?{query}").status_code == 200


@pytest.fixture
def crowd(site: Site) -> Iterator[ExitStack]:
    """As many listeners as there may be."""
    with ExitStack() as streams:
        for _ in range(MOST_LISTENERS):
            stream = streams.enter_context(socket.create_connection(("127.0.0.1", site.proxy.api), timeout=20))
            stream.sendall(b"GET /ui/events HTTP/1.1\r\nHost: proxy\r\n\r\n")
            told = b""
            while b"retry" not in told:
                told += stream.recv(4096)
        yield streams


def test_listeners_are_few_and_a_page_that_is_not_let_in_looks_by_itself(
    site: Site, crowd: ExitStack, open_page: MakePage
) -> None:
    """Who hangs up makes room for others."""
    assert site.proxy.get("/ui/events").status_code == 503
    page = open_page(site.proxy, "/ui")
    page.locator("#connection", has_text="Looks now and then").wait_for()
    site.put("quiet", "/quiet")
    page.get_by_role("link", name="quiet").wait_for(timeout=60_000)
    site.drop("quiet")
    crowd.close()

    def is_let_in() -> bool:
        with httpx.stream("GET", f"http://127.0.0.1:{site.proxy.api}/ui/events", trust_env=False) as answer:
            return answer.is_success

    eventually(is_let_in, "there is room again")


def test_open_pages_do_not_hold_up_the_end(home: Path, origin: int) -> None:
    """Their streams end with the proxy, and nothing is wrong about it."""
    (home / "ending.yml").write_text(stack({"web": plain(origin, "/web")}))
    with ExitStack() as cleaning:
        proxy = start_proxy(cleaning, home / "e", "--stack-file", str(home / "ending.yml"), DRAIN_TIMEOUT="1")
        eventually(proxy.ready, "the proxy is ready")
        stream = cleaning.enter_context(socket.create_connection(("127.0.0.1", proxy.api), timeout=20))
        stream.sendall(b"GET /ui/events HTTP/1.1\r\nHost: proxy\r\n\r\n")
        told = stream.recv(4096)
        assert proxy.send(signal.SIGTERM) == 0
        while piece := stream.recv(4096):
            told += piece
        assert told.endswith(b"0\r\n\r\n")
        assert '"level": "error"' not in proxy.words()
