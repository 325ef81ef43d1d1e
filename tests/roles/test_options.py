"""Labels that are data: one running HAProxy obeys them at once, without a reload, and lets nobody in by mistake."""

import http.client
import re
import signal
import socket
import socketserver
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from haproxy.loopback import QuietServer, serving
from roles.conftest import MakeProxy
from roles.processes import Proxy, Services, eventually, plain, put
from tls.authorities import Authority

INSIDE, ELSEWHERE = "10.1.1.1", "192.0.2.1"


class Patient(socketserver.StreamRequestHandler):
    """Answers with ``hello``; to ``/slow`` after a while, and to ``/tunnel`` with a tunnel that stays silent."""

    def handle(self) -> None:
        """Answer the requests of one connection."""
        while first := self.rfile.readline():
            while self.rfile.readline().strip():
                pass
            path = first.split()[1].decode()
            if path.endswith("/slow"):
                threading.Event().wait(1.5)
            if path.endswith("/tunnel"):
                self.wfile.write(b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nUpgrade: silence\r\n\r\n")
                self.rfile.read()
                return
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")


@pytest.fixture
def upstream() -> Iterator[int]:
    """The port of a service that takes its time."""
    with QuietServer(("127.0.0.1", 0), Patient) as server, serving(server):
        yield server.server_port


def haproxy_reloads(proxy: Proxy) -> int:
    """Return how often HAProxy itself says that it was reloaded."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(proxy.home / "run" / "master.sock"))
        connection.sendall(b"show proc\n")
        connection.shutdown(socket.SHUT_WR)
        found = re.search(r"^\d+\s+master\s+(\d+)", connection.makefile().read(), re.MULTILINE)
    assert found
    return int(found[1])


def asked(proxy: Proxy, path: str, method: str = "GET", client: str = ELSEWHERE, **headers: str) -> int:
    """Return the status of a request as if it came from a client's address."""
    connection = http.client.HTTPConnection("127.0.0.1", proxy.http, timeout=10)
    try:
        connection.request(method, path, headers={"X-Forwarded-For": client, **headers})
        return connection.getresponse().status
    finally:
        connection.close()


def tunnel_ends(proxy: Proxy) -> bool:
    """Return whether a silent tunnel is closed within seconds."""
    with socket.create_connection(("127.0.0.1", proxy.http), timeout=4) as connection:
        connection.sendall(b"GET /web/tunnel HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: silence\r\n\r\n")
        try:
            return all(iter(lambda: connection.recv(4096), b""))
        except TimeoutError:
            return False


@dataclass(frozen=True)
class Step:
    """Labels, and statuses by what is asked for: those with them, where without them all is 200."""

    labels: Mapping[str, object]
    refused: int
    refusing: Mapping[str, str] = field(default_factory=dict)
    serving: Mapping[str, str] | None = None


STEPS = (
    Step({"allowedSrc": "10.0.0.0/8"}, 403, serving={"client": INSIDE}),
    Step({"allowedSrc": "10.1.0.0/16,172.16.0.0/12"}, 403, serving={"client": INSIDE}),
    Step({"allowedSrc": "2001:db8::/45"}, 403, serving={"client": "2001:db8:7::1"}),
    Step({"deniedSrc": "192.0.2.0/25"}, 403, serving={"client": INSIDE}),
    Step({"allowedMethods": "GET"}, 403, {"method": "PUT"}, {"method": "GET"}),
    Step({"deniedMethods": "PUT"}, 403, {"method": "PUT"}, {"method": "GET"}),
    Step({"denyHttp": "true"}, 403),
    Step({"verifyClientSsl": "true"}, 403),
    Step({"httpsOnly": "true"}, 302),
    Step({"httpsOnly": "true", "httpsRedirectCode": "308"}, 308),
    Step({"redirectWhenHttpProto": "true"}, 302, {"X-Forwarded-Proto": "http"}, {"X-Forwarded-Proto": "https"}),
    Step({"redirectUnlessHttpsProto": "true"}, 302, serving={"X-Forwarded-Proto": "https"}),
    Step({"users": "ann:secret"}, 401, serving={"Authorization": "Basic YW5uOnNlY3JldA=="}),
    Step({"timeoutServer": "1"}, 504, {"path": "/web/slow"}, {"path": "/web"}),
)


def test_a_service_is_relabelled_without_a_reload(
    make_proxy: MakeProxy, binary: Path, stack_file: Path, upstream: int, folder: Path
) -> None:
    """Each of these labels comes into force and goes again, on whatever version."""
    (folder / "ca.pem").write_text(Authority.new().pem, encoding="utf-8")
    put(stack_file, {"web": plain(upstream, "/web")})
    environment = {"TRUSTED_PROXIES": "127.0.0.0/8", "CA_FILE": str(folder / "ca.pem")}
    proxy = make_proxy(binary, "--stack-file", str(stack_file), **environment)
    eventually(proxy.ready, "the proxy is ready")
    for step in STEPS:
        refusing = {"path": "/web", **step.refusing}
        put(stack_file, {"web": plain(upstream, "/web", **step.labels)})
        eventually(lambda ask=refusing, step=step: asked(proxy, **ask) == step.refused, f"{step.labels} are in force")
        if step.serving is not None:
            assert asked(proxy, **{"path": "/web", **step.serving}) == 200, step.labels
        put(stack_file, {"web": plain(upstream, "/web")})
        eventually(lambda ask=refusing: asked(proxy, **ask) == 200, f"{step.labels} are gone")
    put(stack_file, {"web": plain(upstream, "/web", serviceDomain="a.test", redirectFromDomain="old.test")})
    eventually(lambda: asked(proxy, "/web", Host="old.test") == 301, "a former domain is redirected")
    put(stack_file, {"web": plain(upstream, "/web", timeoutTunnel="1")})
    eventually(lambda: tunnel_ends(proxy), "a silent tunnel is closed")
    assert (proxy.reloads, haproxy_reloads(proxy)) == (0, 0)


def test_another_number_of_requests_needs_no_reload(
    make_proxy: MakeProxy, binary: Path, stack_file: Path, upstream: int
) -> None:
    """The limit that is in force counts what came before."""
    put(stack_file, {"web": plain(upstream, "/web", rateLimit="1000/1h")})
    proxy = make_proxy(binary, "--stack-file", str(stack_file))
    eventually(proxy.ready, "the proxy is ready")
    assert proxy.status("/web") == 200
    put(stack_file, {"web": plain(upstream, "/web", rateLimit="1/1h")})
    eventually(lambda: proxy.status("/web") == 429, "the lower limit is in force")
    put(stack_file, {"web": plain(upstream, "/web", rateLimit="2000/1h")})
    eventually(lambda: proxy.status("/web") == 200, "the higher limit is in force")
    assert (proxy.reloads, haproxy_reloads(proxy)) == (0, 0)


@contextmanager
def asking(ask: Callable[[], int]) -> Iterator[list[int]]:
    """Ask without a pause until the end of the block; the statuses are what was answered by then."""
    statuses: list[int] = []
    ends = threading.Event()

    def run() -> None:
        while not ends.is_set():
            statuses.append(ask())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield statuses
    finally:
        ends.set()
        thread.join()


def test_lists_change_under_load(make_proxy: MakeProxy, binary: Path, stack_file: Path, upstream: int) -> None:
    """Who is in both lists is never refused, who is in none is never let in, and neighbours' lists are theirs."""
    lists = ("10.0.0.0/8,2001:db8::/32", "10.1.0.0/16,10.1.1.0/24", "0.0.0.0/1,10.1.1.1", "10.1.1.0/28")

    def world(number: int) -> Services:
        allowed, denied = lists[number % len(lists)], f"192.0.2.0/{24 + number % 8},198.51.100.{number}"
        return {
            "allowing": plain(upstream, "/allowing", allowedSrc=allowed),
            "denying": plain(upstream, "/denying", deniedSrc=denied),
            f"other{number % 3}": plain(upstream, f"/other{number % 3}", allowedSrc=f"10.{number}.0.0/16,::/{number}"),
        }

    put(stack_file, world(0))
    proxy = make_proxy(binary, "--stack-file", str(stack_file), TRUSTED_PROXIES="127.0.0.0/8")
    eventually(proxy.ready, "the proxy is ready")
    with (
        asking(lambda: asked(proxy, "/allowing", client=INSIDE)) as inside,
        asking(lambda: asked(proxy, "/allowing", client=ELSEWHERE)) as outside,
        asking(lambda: asked(proxy, "/denying", client=ELSEWHERE)) as denied,
        asking(lambda: asked(proxy, "/denying", client=INSIDE)) as undenied,
    ):
        for number in range(1, 13):
            put(stack_file, world(number))
            probe = f"198.51.100.{number}"
            eventually(
                lambda probe=probe: asked(proxy, "/denying", client=probe) == 403, f"change {number} is in force"
            )
    assert set(inside) == set(undenied) == {200}
    assert set(outside) == set(denied) == {403}


def test_nobody_gets_in_while_a_path_becomes_public(
    make_proxy: MakeProxy, binary: Path, stack_file: Path, upstream: int
) -> None:
    """A path goes and with it what kept strangers out: at no moment is it there without that."""
    guarded = plain(upstream, "/admin", allowedSrc="10.0.0.0/8", deniedMethods="PUT")
    public = plain(upstream, "/public", deniedMethods="PUT")
    put(stack_file, {"web": guarded})
    proxy = make_proxy(binary, "--stack-file", str(stack_file), TRUSTED_PROXIES="127.0.0.0/8")
    eventually(proxy.ready, "the proxy is ready")
    with asking(lambda: asked(proxy, "/admin")) as statuses:
        for _ in range(6):
            put(stack_file, {"web": public})
            eventually(lambda: asked(proxy, "/public") == 200, "strangers are let in")
            put(stack_file, {"web": guarded})
            eventually(lambda: asked(proxy, "/admin", client=INSIDE) == 200, "the path is there again")
    assert set(statuses) == {403, 503}
    assert (proxy.reloads, haproxy_reloads(proxy)) == (0, 0)


def test_the_next_controller_goes_on(make_proxy: MakeProxy, binary: Path, stack_file: Path, upstream: int) -> None:
    """Without one, what was asked for stays in force; the next one brings what has changed meanwhile, by commands."""
    put(stack_file, {"web": plain(upstream, "/web", allowedSrc="10.0.0.0/8")})
    proxy = make_proxy(binary, "--stack-file", str(stack_file), TRUSTED_PROXIES="127.0.0.0/8")
    eventually(proxy.ready, "the proxy is ready")
    proxy.send(signal.SIGKILL)
    put(stack_file, {"web": plain(upstream, "/web", allowedSrc="192.0.2.1", deniedMethods="PUT")})
    assert [asked(proxy, "/web"), asked(proxy, "/web", client=INSIDE)] == [403, 200]
    proxy.start()
    eventually(lambda: asked(proxy, "/web") == 200, "the next controller is at work")
    assert [asked(proxy, "/web", "PUT"), asked(proxy, "/web", client=INSIDE)] == [403, 403]
    assert haproxy_reloads(proxy) == 0
