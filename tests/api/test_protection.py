"""What protects the API: from pages of other sites, from names that lead elsewhere, from what is too large."""

import base64
import hashlib
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from failures.conftest import home, origin, start_proxy
from fakes.fake_docker import FakeDocker
from roles.processes import Role, ask, eventually, plain, running, stack
from tls.authorities import fixed_certificate

from controller.http.writers import is_token

__all__ = ["home", "origin"]
DFP, DFSL = "/v1/docker-flow-proxy", "/v1/docker-flow-swarm-listener"
LABELS = {"servicePath": "/shop", "port": "80", "outboundHostname": "127.0.0.1"}
PEM = fixed_certificate("a.example")
SEALED = {"content": PEM, "sealed": False, "put_at": "2026-01-01T00:00:00Z"}


@dataclass(frozen=True)
class Open:
    """A proxy and a listener that let everybody change things; ``home`` is the folder that all is in."""

    urls: dict[str, str]
    home: Path

    def ask(self, role: str, method: str, path: str, **more: object) -> httpx.Response:
        """Send a request."""
        return ask(self.urls[role] + path, method, timeout=20, **more)

    def files(self) -> set[str]:
        """Return the files that there are, but for logs and those that the proxy writes for HAProxy."""
        own = {self.home / "p" / "state" / "haproxy", self.home / "p" / "run"}
        return {str(path) for path in self.home.rglob("*") if path.suffix != ".log" and not own & {*path.parents}}


@pytest.fixture(scope="module")
def roles(home: Path, origin: int) -> Iterator[Open]:
    """Both, ready."""
    with ExitStack() as cleaning:
        docker = cleaning.enter_context(FakeDocker())
        listener = Role(["listener"], {"DOCKER_HOST": docker.docker_host, "API_WRITES": "open"}, home / "listener.log")
        cleaning.enter_context(running(listener, home / "none"))
        listener.start()
        (home / "stack.yml").write_text(stack({"web": plain(origin, "/web")}))
        proxy = start_proxy(cleaning, home / "p", "--stack-file", str(home / "stack.yml"), API_WRITES="open")
        for role in (proxy, listener):
            eventually(role.ready, "the role is ready")
        yield Open({"proxy": f"http://127.0.0.1:{proxy.api}", "listener": f"http://127.0.0.1:{listener.api}"}, home)


CHANGES: tuple[tuple[str, str, str, dict[str, Any]], ...] = (
    ("proxy", "PUT", "/v1/services/shop", {"json": LABELS}),
    ("proxy", "DELETE", "/v1/services/shop", {}),
    ("proxy", "PUT", "/v1/certificates/a.pem", {"content": PEM}),
    ("proxy", "DELETE", "/v1/certificates/a.pem", {}),
    ("proxy", "GET", f"{DFP}/reconfigure", {"params": {"serviceName": "shop", **LABELS}}),
    ("proxy", "POST", f"{DFP}/reconfigure", {"params": {"serviceName": "shop", **LABELS}}),
    ("proxy", "GET", f"{DFP}/remove", {"params": {"serviceName": "shop"}}),
    ("proxy", "GET", f"{DFP}/reload", {}),
    ("proxy", "PUT", f"{DFP}/cert", {"params": {"certName": "a.pem"}, "content": PEM}),
    ("listener", "PUT", "/v1/services/shop", {"json": LABELS}),
    ("listener", "DELETE", "/v1/services/shop", {}),
    ("listener", "PUT", "/v1/certificates/a.pem", {"json": SEALED}),
    ("listener", "DELETE", "/v1/certificates/a.pem", {}),
    ("listener", "GET", f"{DFSL}/notify-services", {}),
)
"""Everything that changes something."""
FOREIGN = (
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Origin": "http://127.0.0.1"},
)


def test_pages_of_other_sites_change_nothing(roles: Open) -> None:
    """Though everybody else may, here; what one's own page sends, or no browser at all, is taken."""
    known = {role: ask(f"{url}/openapi.json").json()["paths"] for role, url in roles.urls.items()}
    changing = {
        (role, method.upper(), path)
        for role, paths in known.items()
        for path, methods in paths.items()
        for method, described in methods.items()
        if "403" in described["responses"] and "token" in str(described.get("security", "api token"))
    }
    tried = {(role, method, re.sub(r"/(shop|a\.pem)$", "/{name}", path)) for role, method, path, _ in CHANGES}
    gated = {("listener", "GET", "/v1/snapshot"), ("listener", "GET", f"{DFSL}/get-services")}
    assert changing - gated == tried - {("proxy", "POST", f"{DFP}/reconfigure")}

    for role, method, path, more in CHANGES:
        for headers in FOREIGN:
            assert roles.ask(role, method, path, headers=headers, **more).status_code == 403, (path, headers)
    assert "shop" not in roles.ask("proxy", "GET", "/v1/services").text
    for headers in ({"Origin": url, "Sec-Fetch-Site": "same-origin"} for url in [roles.urls["proxy"]]):
        assert roles.ask("proxy", "PUT", "/v1/services/shop", json=LABELS, headers=headers).status_code == 200
        assert roles.ask("proxy", "DELETE", "/v1/services/shop", headers=headers).status_code == 200


def test_a_preflight_promises_nothing(roles: Open) -> None:
    """Browsers then do not let pages of other sites send headers or read answers."""
    asked = {"Origin": "https://evil.example", "Access-Control-Request-Method": "PUT"}
    for role in roles.urls:
        answer = roles.ask(role, "OPTIONS", "/v1/services/shop", headers=asked)
        assert answer.status_code == 405
        assert not [name for name in answer.headers if name.startswith("access-control")]


BAD_NAMES = (
    "../x",
    "..",
    ".",
    "/etc/x",
    "a/b",
    "a\\b",
    "%2e%2e%2fx",
    "..%2fx",
    "a\0",
    "a%00",
    "a\n",
    ".x",
    "",
    "x" * 129,
)


def test_names_lead_nowhere_else(roles: Open) -> None:
    """Whatever they are called, however they are encoded: nothing is kept, written or removed."""
    before = roles.files()
    for name in BAD_NAMES:
        for role, method, path, more in CHANGES:
            parameters = more.get("params", {})
            renamed = {key: name for key in ("serviceName", "certName") if key in parameters}
            if renamed and not path.endswith("/remove"):
                answer = roles.ask(role, method, path, **more | {"params": parameters | renamed})
                assert answer.status_code == 400, (name, path, answer.text)
            elif path.startswith(("/v1/services/", "/v1/certificates/")):
                answer = roles.ask(role, method, f"{path.rpartition('/')[0]}/{quote(name, safe='')}", **more)
                assert answer.status_code in (400, 404, 405), (name, path, answer.text)
    for label in ("aclName", "usersSecret", "sslVerifyCa", "templateBePath", "templateFePath", "serviceGroup"):
        for name in ("../x", "/etc/passwd", "a/../../x", "a\0"):
            answer = roles.ask("proxy", "PUT", "/v1/services/odd", json={**LABELS, label: name})
            assert answer.status_code == 400, (label, name, answer.text)
    assert roles.files() == before
    assert {each["source"] for each in roles.ask("proxy", "GET", "/v1/certificates").json()} == {"self-signed"}


def test_only_headers_bear_a_token() -> None:
    """And whether it is the right one takes as long to tell for every wrong one."""
    assert is_token("known", "known")
    assert is_token("schlüssel".encode().decode("latin-1"), "schlüssel")
    assert is_token("x" * 5000, "x" * 5000)
    for given, known in (("", ""), ("", "known"), ("know", "known"), ("known2", "known"), ("Known", "known")):
        assert not is_token(given, known)


def test_a_cookie_is_no_token(home: Path) -> None:
    """Nor is a parameter of the URL, which would stand in logs, nor a password."""
    with ExitStack() as cleaning:
        (home / "none.yml").write_text(stack({}))
        proxy = start_proxy(cleaning, home / "q", "--stack-file", str(home / "none.yml"), API_TOKEN="known")
        eventually(proxy.ready, "the proxy is ready")
        url = f"http://127.0.0.1:{proxy.api}{DFP}/reload"
        for name in ("Authorization", "X-Api-Token", "token", "api_token"):
            assert ask(url, headers={"Cookie": f"{name}=known; {name}=Bearer known"}).status_code == 403
            assert ask(url, params={name: "known"}).status_code == 403
        assert ask(url, auth=("known", "known")).status_code == 403
        assert ask(url, headers={"Authorization": "bearer  known"}).status_code == 200
        assert ask(url, headers={"X-Api-Token": "known"}).status_code == 200


def answer_of(connection: socket.socket) -> httpx.Response:
    """Read an answer that ends with its connection."""
    head, _, body = connection.makefile("rb").read().partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = [tuple(line.split(": ", 1)) for line in lines]
    return httpx.Response(int(first.split(" ")[1]), headers=headers, content=body)


HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


@pytest.mark.parametrize("role", ["proxy", "listener"])
def test_every_answer_tells_browsers_what_to_leave_alone(roles: Open, role: str) -> None:
    """Whatever its status."""
    asked = (
        ("GET", "/healthz", {}, 200),
        ("GET", "/metrics", {}, 200),
        ("GET", "/openapi.json", {}, 200),
        ("PUT", "/v1/services/.x", {"json": LABELS}, 400),
        ("PUT", "/v1/services/x", {"headers": FOREIGN[0]}, 403),
        ("GET", "/nowhere", {}, 404),
        ("TRACE", "/healthz", {}, 405),
        ("PUT", "/v1/services/x", {"content": b" " * 600_000, "headers": {"Content-Type": "application/json"}}, 413),
        ("GET", "/healthz", {"params": {"x": "x" * 65_530}}, 414),
        ("PUT", "/v1/services/x", {"content": b"{"}, 422),
    )
    for method, path, more, status in asked:
        answer = roles.ask(role, method, path, **more)
        assert answer.status_code == status, (method, path, answer.text)
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS


@pytest.mark.parametrize("role", ["proxy", "listener"])
@pytest.mark.parametrize("request_line", ["nonsense", "GET /\u00e4 HTTP/1.1", "GET / HTTP/1.1\r\nA B: c"])
def test_what_is_no_request_is_told_so_in_an_answer_like_all_others(roles: Open, role: str, request_line: str) -> None:
    address = roles.urls[role].removeprefix("http://")
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(f"{request_line}\r\nHost: x\r\n\r\n".encode("latin-1"))
        answer = answer_of(connection)
    assert answer.status_code == 400
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["connection"] == "close"


def test_an_endless_body_is_cut_off(roles: Open) -> None:
    """It is answered as soon as it is too large, and the rest is not read."""
    address = roles.urls["proxy"].removeprefix("http://")
    head = f"PUT /v1/services/x HTTP/1.1\r\nHost: {address}\r\nTransfer-Encoding: chunked\r\n"
    chunk = b"10000\r\n" + b" " * 0x10000 + b"\r\n"
    with socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2])), timeout=20) as connection:
        connection.sendall(f"{head}Content-Type: application/json\r\n\r\n".encode())
        with pytest.raises(ConnectionError):
            connection.sendall(chunk * 1024)


def test_the_page_to_try_the_api_runs_nothing_but_its_own_script(roles: Open) -> None:
    """Of the page itself only what has the digest that the policy names."""
    for role in roles.urls:
        page = roles.ask(role, "GET", "/docs")
        policy = page.headers["content-security-policy"]
        assert "'unsafe-inline'" not in policy.partition("script-src ")[2].partition(";")[0]
        scripts = re.findall(r"<script>(.*?)</script>", page.text, re.DOTALL)
        assert len(scripts) == 1
        digest = base64.b64encode(hashlib.sha256(scripts[0].encode()).digest()).decode()
        assert f"'sha256-{digest}'" in policy
        for address in re.findall(r'(?:src|href)="(https:[^"]+)"', page.text):
            assert address.startswith("https://cdn.jsdelivr.net/npm/swagger-ui-dist@5/")
