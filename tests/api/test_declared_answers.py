"""Every status that a path declares can be had from it, with a body as declared; the table says how."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import httpx
import pytest
import schemathesis
from api.asking import Asked
from failures.conftest import home, origin, start_proxy
from fakes.fake_docker import FakeDocker
from haproxy.loopback import QuietHandler, QuietServer, free_port, serving
from pydantic import SecretStr
from roles.processes import Role, ask, eventually, plain, running, stack
from tls.authorities import Authority

from controller.declarations import Receipt
from controller.http.answers.probes import Readiness
from controller.http.listener_api import Gate, make_listener_app
from controller.http.listener_declaring import ListenerDeclaring, add_listener_declaring
from controller.http.serving import make_server
from controller.http.writers import Writers
from controller.metrics import ListenerMetrics
from controller.published import Published
from models.declared import DECLARED_ID, declared_service
from models.snapshot import Snapshot, StoredCertificate

__all__ = ["home", "origin"]

TOKEN = {"Authorization": "Bearer may change things"}
BETWEEN_US = {"headers": {"Authorization": "Bearer between us"}}
NOBODY: dict[str, Any] = {"headers": {}}
FOREIGN: dict[str, Any] = {"headers": {**TOKEN, "Sec-Fetch-Site": "cross-site"}}
DFP, DFSL = "/v1/docker-flow-proxy", "/v1/docker-flow-swarm-listener"
SERVICE, CERTIFICATE = "/v1/services/{name}", "/v1/certificates/{name}"
LABELS = {"json": {"servicePath": "/shop", "port": "80", "outboundHostname": "127.0.0.1"}}
REFUSED = {"json": {**LABELS["json"], "servicePath": "/odd", "backendExtra": "timeout server soon"}}
HEADERS_OF_JSON = {"headers": {**TOKEN, "Content-Type": "application/json"}}
LARGE = {"content": b" " * 600_000, **HEADERS_OF_JSON}
PEM = {"content": Authority.new().issue("shop.example").pem}
SEALED = {"json": {"content": "v1:x", "sealed": True, "put_at": "2026-01-01T00:00:00Z"}}
ODD = {"distribute": "perhaps"}

PROXY = (
    Asked("proxy", "GET", "/healthz", 200),
    Asked("proxy", "GET", "/readyz", 200),
    Asked("alone", "GET", "/readyz", 503),
    Asked("proxy", "GET", "/metrics", 200),
    Asked("proxy", "GET", "/metrics/haproxy", 200, query={"scope": "backend"}),
    Asked("proxy", "GET", "/metrics/haproxy", 422, query={"scope": "secrets"}),
    Asked("alone", "GET", "/metrics/haproxy", 503),
    Asked("proxy", "GET", "/v1/services", 200),
    Asked("proxy", "GET", SERVICE, 200, "web"),
    Asked("proxy", "GET", SERVICE, 404),
    Asked("proxy", "PUT", SERVICE, 200, "shop", more=LABELS),
    Asked("proxy", "PUT", SERVICE, 400, "shop", more={"json": {"port": "x"}}),
    Asked("proxy", "PUT", SERVICE, 400, "shop", more={"content": b"\xff", **HEADERS_OF_JSON}),
    Asked("proxy", "PUT", SERVICE, 403, "shop", more=LABELS | NOBODY),
    Asked("proxy", "PUT", SERVICE, 409, "web", more=LABELS),
    Asked("proxy", "PUT", SERVICE, 413, "shop", more=LARGE),
    Asked("proxy", "PUT", SERVICE, 422, "shop", more={"json": ["servicePath"]}),
    Asked("proxy", "PUT", SERVICE, 500, "odd", more=REFUSED),
    Asked("odd", "PUT", SERVICE, 502, "says-403", more=LABELS),
    Asked("alone", "PUT", SERVICE, 503, "shop", more=LABELS),
    Asked("proxy", "DELETE", SERVICE, 200, "shop"),
    Asked("proxy", "DELETE", SERVICE, 403, "shop", more=NOBODY),
    Asked("proxy", "DELETE", SERVICE, 404),
    Asked("proxy", "DELETE", SERVICE, 409, "web"),
    Asked("proxy", "DELETE", SERVICE, 422, "shop", ODD),
    Asked("odd", "DELETE", SERVICE, 500, "says-500"),
    Asked("odd", "DELETE", SERVICE, 502, "says-200"),
    Asked("alone", "DELETE", SERVICE, 503, "shop"),
    Asked("proxy", "GET", "/v1/certificates", 200),
    Asked("proxy", "GET", "/v1/explain", 200, query={"url": "http://a.test/web", "from": "::1", "header": "X-A: 1"}),
    Asked("proxy", "GET", "/v1/explain", 400, query={"url": "ftp://a.test/web"}),
    Asked("proxy", "GET", "/v1/explain", 422),
    Asked("proxy", "PUT", CERTIFICATE, 200, "a.pem", more=PEM),
    Asked("proxy", "PUT", CERTIFICATE, 400, "a.pem", more={"content": "none"}),
    Asked("proxy", "PUT", CERTIFICATE, 403, "a.pem", more=PEM | NOBODY),
    Asked("alone", "PUT", CERTIFICATE, 409, "a.pem", more=PEM),
    Asked("proxy", "PUT", CERTIFICATE, 413, "a.pem", more=LARGE),
    Asked("proxy", "PUT", CERTIFICATE, 422, "a.pem", ODD, more=PEM),
    Asked("odd", "PUT", CERTIFICATE, 500, "says-500", more=PEM),
    Asked("odd", "PUT", CERTIFICATE, 502, "says-422", more=PEM),
    Asked("odd", "PUT", CERTIFICATE, 503, "says-503", more=PEM),
    Asked("proxy", "DELETE", CERTIFICATE, 200, "a.pem"),
    Asked("proxy", "DELETE", CERTIFICATE, 403, "a.pem", more=NOBODY),
    Asked("proxy", "DELETE", CERTIFICATE, 404, "a.pem"),
    Asked("proxy", "DELETE", CERTIFICATE, 422, "a.pem", ODD),
    Asked("odd", "DELETE", CERTIFICATE, 500, "says-500"),
    Asked("odd", "DELETE", CERTIFICATE, 502, "says-409"),
    Asked("alone", "DELETE", CERTIFICATE, 503, "a.pem"),
    Asked("proxy", "GET", f"{DFP}/reconfigure", 200, query={"serviceName": "dfp", **LABELS["json"]}),
    Asked("proxy", "GET", f"{DFP}/reconfigure", 400),
    Asked("proxy", "GET", f"{DFP}/reconfigure", 403, query={"serviceName": "other"}, more=NOBODY),
    Asked("proxy", "GET", f"{DFP}/reconfigure", 409, query={"serviceName": "other", "port": "80"}),
    Asked("proxy", "GET", f"{DFP}/reconfigure", 500, query={"serviceName": "odd", **REFUSED["json"]}),
    Asked("proxy", "GET", f"{DFP}/remove", 200, query={"serviceName": "dfp"}),
    Asked("proxy", "GET", f"{DFP}/remove", 400),
    Asked("proxy", "GET", f"{DFP}/remove", 403, query={"serviceName": "web"}, more=FOREIGN),
    Asked("proxy", "GET", f"{DFP}/remove", 409, query={"serviceName": "web"}),
    Asked("alone", "GET", f"{DFP}/remove", 500, query={"serviceName": "web"}),
    Asked("proxy", "GET", f"{DFP}/reload", 200),
    Asked("proxy", "GET", f"{DFP}/reload", 403, more=NOBODY),
    Asked("proxy", "PUT", f"{DFP}/cert", 200, query={"certName": "b.pem"}, more=PEM),
    Asked("proxy", "PUT", f"{DFP}/cert", 400, more=PEM),
    Asked("proxy", "PUT", f"{DFP}/cert", 403, query={"certName": "b.pem"}, more=PEM | NOBODY),
    Asked("alone", "PUT", f"{DFP}/cert", 409, query={"certName": "b.pem"}, more=PEM),
    Asked("proxy", "PUT", f"{DFP}/cert", 413, query={"certName": "b.pem"}, more=LARGE),
    Asked("odd", "PUT", f"{DFP}/cert", 500, query={"certName": "says-503"}, more=PEM),
    Asked("proxy", "GET", f"{DFP}/certs", 200),
    Asked("proxy", "GET", f"{DFP}/config", 200),
    Asked("proxy", "GET", f"{DFP}/config", 200, query={"type": "json"}),
    Asked("alone", "GET", f"{DFP}/config", 500),
    Asked("proxy", "GET", f"{DFP}/metrics", 200),
    Asked("alone", "GET", f"{DFP}/metrics", 500),
    Asked("proxy", "GET", f"{DFP}/ping", 200),
    Asked("proxy", "GET", "/v1/test", 200),
    Asked("proxy", "GET", "/v2/test", 200),
    Asked("proxy", "GET", f"{DFP}/successfulinitreload", 200),
    Asked("alone", "GET", f"{DFP}/successfulinitreload", 500),
)
LISTENER = (
    Asked("listener", "GET", "/healthz", 200),
    Asked("listener", "GET", "/readyz", 200),
    Asked("blind", "GET", "/readyz", 503),
    Asked("listener", "GET", "/metrics", 200),
    Asked("listener", "GET", "/v1/snapshot", 200, more=BETWEEN_US),
    Asked("listener", "GET", "/v1/snapshot", 304, more=BETWEEN_US),
    Asked("listener", "GET", "/v1/snapshot", 403),
    Asked("listener", "GET", "/v1/snapshot", 422, query={"wait": "x"}, more=BETWEEN_US),
    Asked("blind", "GET", "/v1/snapshot", 503, more=BETWEEN_US),
    Asked("listener", "GET", "/v1/replicas", 200),
    Asked("listener", "GET", "/v1/replicas", 422, query={"wait": "61"}),
    Asked("listener", "GET", f"{DFSL}/get-services", 200, more=BETWEEN_US),
    Asked("listener", "GET", f"{DFSL}/get-services", 403),
    Asked("blind", "GET", f"{DFSL}/get-services", 500, more=BETWEEN_US),
    Asked("listener", "GET", f"{DFSL}/get-nodes", 200),
    Asked("blind", "GET", f"{DFSL}/get-nodes", 500),
    Asked("listener", "GET", f"{DFSL}/notify-services", 200),
    Asked("listener", "GET", f"{DFSL}/notify-services", 403, more=FOREIGN),
    Asked("listener", "GET", f"{DFSL}/ping", 200),
    Asked("listener", "PUT", SERVICE, 200, "shop", more=LABELS),
    Asked("listener", "PUT", SERVICE, 400, ".odd", more=LABELS),
    Asked("listener", "PUT", SERVICE, 403, "shop", more=LABELS | NOBODY),
    Asked("listener", "PUT", SERVICE, 409, "web", more=LABELS),
    Asked("listener", "PUT", SERVICE, 413, "shop", more=LARGE),
    Asked("listener", "PUT", SERVICE, 422, "shop", more={"json": {"port": 80}}),
    Asked("blind", "PUT", SERVICE, 503, "shop", more=LABELS),
    Asked("listener", "DELETE", SERVICE, 200, "shop"),
    Asked("listener", "DELETE", SERVICE, 403, "shop", more=NOBODY),
    Asked("listener", "DELETE", SERVICE, 404),
    Asked("blind", "DELETE", SERVICE, 503, "shop"),
    Asked("listener", "PUT", CERTIFICATE, 200, "a.pem", more=SEALED),
    Asked("listener", "PUT", CERTIFICATE, 400, ".odd", more=SEALED),
    Asked("listener", "PUT", CERTIFICATE, 403, "a.pem", more=SEALED | NOBODY),
    Asked("listener", "PUT", CERTIFICATE, 413, "a.pem", more=LARGE),
    Asked("listener", "PUT", CERTIFICATE, 422, "a.pem", more={"json": {"content": "x"}}),
    Asked("blind", "PUT", CERTIFICATE, 503, "a.pem", more=SEALED),
    Asked("listener", "DELETE", CERTIFICATE, 200, "a.pem"),
    Asked("listener", "DELETE", CERTIFICATE, 403, "a.pem", more=NOBODY),
    Asked("listener", "DELETE", CERTIFICATE, 404),
    Asked("blind", "DELETE", CERTIFICATE, 503, "a.pem"),
    Asked("late", "PUT", SERVICE, 500, "shop", more=LABELS),
    Asked("late", "DELETE", SERVICE, 500, "kept"),
    Asked("late", "PUT", CERTIFICATE, 500, "a.pem", more=SEALED),
    Asked("late", "DELETE", CERTIFICATE, 500, "kept"),
)
ALWAYS = (414,)
"""Statuses that every path declares; those are tried on every path."""


class OddListener(QuietHandler):
    """Answers what the end of the name in the path says, with an empty object."""

    def _answer(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        name = unquote(self.path).rpartition("/")[2]
        self.send_response(int(name.removeprefix("says-")) if name.startswith("says-") else 503)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    do_GET = do_PUT = do_DELETE = _answer  # noqa: N815 - the names are the library's


@pytest.fixture(scope="module")
def ends(home: Path, origin: int) -> Iterator[dict[str, str]]:
    """The URLs of a ready proxy, of one without its listener, of one whose listener is odd, and of listeners.

    One listener is ready, one is without its engine, and one never publishes what it keeps.
    """
    with ExitStack() as cleaning:
        file = home / "stack.yml"
        file.write_text(stack({"web": plain(origin, "/web")}), encoding="utf-8")
        odd = cleaning.enter_context(QuietServer(("127.0.0.1", 0), OddListener))
        cleaning.enter_context(serving(odd))
        token = {"API_TOKEN": "may change things", "LISTENER_TOKEN": "between us"}
        ready = start_proxy(cleaning, home / "p", "--stack-file", str(file), **token)
        lists = {"CRT_LIST_PATH": str(home / "crt-list.txt")}
        alone = start_proxy(cleaning, home / "a", "--listener-address", "127.0.0.1:1", **token, **lists)
        misled = start_proxy(cleaning, home / "o", "--listener-address", f"127.0.0.1:{odd.server_port}", **token)
        docker = cleaning.enter_context(FakeDocker())
        docker.add_service("web", {"com.df.notify": "true", "com.df.servicePath": "/web", "com.df.port": "80"})
        listeners = {}
        for name, host in (("listener", docker.docker_host), ("blind", "tcp://127.0.0.1:1")):
            listeners[name] = Role(["listener"], {"DOCKER_HOST": host, **token}, home / f"{name}.log")
            cleaning.enter_context(running(listeners[name], home / name))
            listeners[name].start()
        eventually(ready.ready, "the proxy is ready")
        eventually(listeners["listener"].ready, "the listener is ready")
        roles = {"proxy": ready, "alone": alone, "odd": misled, **listeners}
        for role in roles.values():
            eventually(lambda role=role: role.get("/healthz").is_success, "the API answers")
        urls = {name: f"http://127.0.0.1:{role.api}" for name, role in roles.items()}
        yield urls | {"late": cleaning.enter_context(late_listener())}


@contextmanager
def late_listener() -> Iterator[str]:
    """The URL of a listener that keeps and forgets what it is told, and publishes the same world for ever."""
    published = Published()
    kept = declared_service("kept", {}, id_=DECLARED_ID + "kept")
    published.publish(Snapshot(services=(kept,), certificates=(StoredCertificate(name="kept", content="x"),)))
    app = make_listener_app(published, Gate(None, nobody), ListenerMetrics(), lambda: Readiness(ready=True))
    declaring = ListenerDeclaring(Obliging(), published, lambda _reason: None, limit=0.01)  # type: ignore[arg-type]
    add_listener_declaring(app, declaring, Writers(SecretStr("may change things")))
    port = free_port()
    server = make_server(app, ip="127.0.0.1", port=port)
    thread = threading.Thread(target=asyncio.run, args=(server.serve(),), daemon=True)
    thread.start()
    url = f"http://127.0.0.1:{port}"
    eventually(lambda: ask(f"{url}/healthz").is_success, "the API answers")
    yield url
    server.should_exit = True
    thread.join(10)


async def nobody() -> frozenset[str]:
    return frozenset()


class Obliging:
    """Keeps and forgets everything."""

    async def put(self, *_what: object) -> Receipt:
        return Receipt(99)

    async def remove(self, _name: str) -> Receipt:
        return Receipt()

    put_certificate, remove_certificate = put, remove


@pytest.mark.parametrize(("role", "rows"), [("proxy", PROXY), ("listener", LISTENER)], ids=["proxy", "listener"])
def test_every_declared_answer_is_seen(ends: dict[str, str], role: str, rows: tuple[Asked, ...]) -> None:
    """And nothing else is declared."""
    schema = schemathesis.openapi.from_url(f"{ends[role]}/openapi.json")
    operations = {(each.ok().method.upper(), each.ok().path): each.ok() for each in schema.get_all_operations()}
    always = [
        Asked(role, method, path, status, query={"x": "x" * 65_530}) for method, path in operations for status in ALWAYS
    ]
    last = httpx.Response(200)
    for row in (*rows, *always):
        known = {"If-None-Match": last.headers["etag"]} if row.status == 304 else {}
        last = row.sent(ends, TOKEN, **known)
        assert last.status_code == row.status, (row, last.text)
        assert "in force after" not in last.text
        if last.content:
            operations[row.method, row.path].validate_response(last)

    declared = {
        (method, path, int(status))
        for (method, path), operation in operations.items()
        for status in operation.responses.status_codes
    }
    assert {row.key for row in (*rows, *always)} == declared
