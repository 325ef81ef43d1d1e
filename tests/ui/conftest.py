"""A real browser, and a proxy with a stack file, whose web page it looks at.

Playwright's own event loop runs in this thread for as long as a browser is there: so it is one for each module, and
tests here are plain functions.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from binaries import chromium_binary
from failures.conftest import Site, Swarm, home, origin, site, swarm
from playwright.sync_api import Browser, Page, expect, sync_playwright
from roles.processes import Proxy

__all__ = ["Site", "Swarm", "home", "origin", "site", "swarm"]
SHOTS = Path(__file__).parents[2] / "build" / "ui"
"""Where pictures of the pages are put, to be looked at."""
_ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)
_ANSWERED = tuple(f"Failed to load resource: the server responded with a status of {status}" for status in (404, 503))
_LONGEST = 30_000
"""Milliseconds that anything awaited may take, on a busy machine."""
expect.set_options(timeout=_LONGEST)
MakePage = Callable[..., Page]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Chromium."""
    binary = chromium_binary()
    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=binary, args=[*_ARGUMENTS])
        yield made
        made.close()


@pytest.fixture
def open_page(browser: Browser) -> Iterator[MakePage]:
    """Open pages of a proxy, each in a browser profile of its own; what a page complains of fails the test.

    That there is no such service, or no room for another listener, is no complaint.
    """
    complaints: list[str] = []
    with ExitStack() as cleaning:

        def make(proxy: Proxy, path: str, **profile: object) -> Page:
            context = browser.new_context(**profile)
            cleaning.callback(context.close)
            page = context.new_page()
            page.set_default_timeout(_LONGEST)
            page.on("pageerror", lambda error: complaints.append(str(error)))
            page.on("dialog", lambda dialog: complaints.append(f"a dialog: {dialog.message}"))
            page.on("console", lambda said: said.type == "error" and complaints.append(said.text))
            page.goto(f"http://127.0.0.1:{proxy.api}{path}")
            return page

        yield make
    assert [words for words in complaints if not words.startswith(_ANSWERED)] == []
