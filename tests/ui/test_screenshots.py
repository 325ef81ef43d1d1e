"""The pictures of the web page in README and docs: taken of a small shop, whose services are as they are anywhere."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from failures.conftest import start_proxy
from haproxy.loopback import free_port
from playwright.sync_api import Page, ViewportSize, expect
from roles.processes import Proxy, eventually, plain, put
from tls.authorities import fixed_certificate
from ui.conftest import SHOTS, MakePage

DOCS = Path(__file__).parents[2] / "docs" / "screenshots"
LARGEST = 150_000
"""Bytes of one picture."""
_DESK: ViewportSize = {"width": 1280, "height": 860}
_TALL: ViewportSize = {"width": 1280, "height": 1120}
_PHONE: ViewportSize = {"width": 390, "height": 844}
PICTURES = {
    "overview": ("/ui", "light", _DESK),
    "overview-dark": ("/ui", "dark", _DESK),
    "services": ("/ui/services", "light", _DESK),
    "service": ("/ui/services/shop", "light", _TALL),
    "routes": ("/ui/routes?url=https%3A%2F%2Fshop.example.com%2Fcart%2F7", "light", _DESK),
    "history": ("/ui/history", "light", _DESK),
    "phone": ("/ui/services", "dark", _PHONE),
}


@pytest.fixture(scope="module")
def shop(home: Path, origin: int) -> Iterator[Proxy]:
    """A proxy with some services, of which a few have their faults."""
    domains = {"serviceDomain": "shop.example.com"}
    services = {
        "shop": plain(origin, "/", **domains, timeoutServer="30", users="ann:s3cret"),
        "cart": plain(origin, "/cart,/checkout", **domains),
        "search": plain(origin, "/search", **domains),
        "blog": plain(origin, "/blog,/news"),
        "assets": plain(origin, "/assets,/fonts,/images"),
        "reports": plain(origin, "/reports", replicas="0"),
        "payments": plain(origin, "/pay") | {"port": "80x"},
    }
    certificates, stack_file = home / "certs", home / "stack.yml"
    certificates.mkdir()
    (certificates / "shop.pem").write_text(fixed_certificate("shop.example.com"))
    put(stack_file, {name: labels for name, labels in services.items() if name != "cart"})
    with ExitStack() as cleaning:
        http = free_port()
        settings = {"CERTS_DIR": str(certificates), "DEFAULT_PORTS": f"{http},{free_port()}:ssl"}
        proxy = start_proxy(cleaning, home / "p", "--stack-file", str(stack_file), **settings)
        proxy.http = http
        eventually(proxy.ready, "the proxy is ready")
        put(stack_file, services)
        eventually(lambda: proxy.condition("cart", "Programmed").get("status") == "True", "the cart is live")
        services["blog"] = plain(origin, "/blog,/journal")
        put(stack_file, services)
        eventually(lambda: proxy.status("/journal") == 200, "the journal is live")
        for _ in range(40):
            proxy.status("/", Host="shop.example.com", Authorization="Basic YW5uOnMzY3JldA==")
        yield proxy


def taken(page: Page, name: str, folder: Path) -> Path:
    """Take a picture of what is on the screen."""
    expect(page.locator("#connection")).to_have_text("Live")
    folder.mkdir(parents=True, exist_ok=True)
    picture = folder / f"{name}.png"
    page.screenshot(path=picture, animations="disabled")
    return picture


@pytest.mark.parametrize("name", PICTURES)
def test_pictures_are_small(shop: Proxy, open_page: MakePage, name: str, request: pytest.FixtureRequest) -> None:
    """Those in docs are written with ``--update-screenshots``, all others to ``build``."""
    folder = DOCS if request.config.getoption("--update-screenshots") else SHOTS / "docs"
    path, scheme, size = PICTURES[name]
    page = open_page(shop, path, viewport=size, color_scheme=scheme)
    assert taken(page, name, folder).stat().st_size < LARGEST


def test_docs_have_each_picture() -> None:
    """And no others."""
    assert {path.stem for path in DOCS.glob("*.png")} == set(PICTURES)
