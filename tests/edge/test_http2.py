"""HTTP/2 can say more than HTTP/1.1: what a service would take for something else does not become a request."""

from pathlib import Path

from edge.http2 import RESET, Header, request, status_of
from edge.wire import IMPATIENT, Recorder, world
from label_effects.edge import edge, running

POST = b"POST"
HELLO = b"hello"


def got(*more: Header, host: bytes = b"web.test", method: bytes = b"GET") -> tuple[list[Header], bytes | None]:
    return request(b"/web", *more, host=host, method=method), None


def at(path: bytes) -> tuple[list[Header], bytes | None]:
    return request(path), None


def without(name: bytes, *more: Header) -> tuple[list[Header], bytes | None]:
    return [header for header in request(b"/web") if header[0] != name] + list(more), None


def posted(*lengths: bytes) -> tuple[list[Header], bytes | None]:
    return request(b"/web", *((b"content-length", length) for length in lengths), method=POST), HELLO


KEPT_OUT = {
    "the path": (at(b"/closed"), 403),
    "two slashes": (at(b"//closed"), 403),
    "an encoded letter": (at(b"/%63losed"), 403),
    "dots": (at(b"/x/../closed"), 400),
    "no slash": (at(b"closed"), RESET),
    "a URL": (at(b"http://web.test/closed"), RESET),
    "no path": (at(b""), RESET),
    "a query alone": (at(b"?/closed"), RESET),
    "a fragment": (at(b"/web#/closed"), RESET),
    "a blank in the path": (at(b"/web /closed"), RESET),
    "lines in the path": (at(b"/web HTTP/1.1\r\nX-A: b"), RESET),
    "lines in the method": (got(method=b"GET /closed HTTP/1.1\r\nX-A: "), RESET),
    "a blank in the method": (got(method=b"GET /closed"), 400),
    "lines in a header": (got((b"x", b"a\r\ntransfer-encoding: chunked")), RESET),
    "LF in a header": (got((b"x", b"a\nb")), RESET),
    "CR in a header": (got((b"x", b"a\rb")), RESET),
    "a null byte in a header": (got((b"x", b"a\0b")), RESET),
    "lines in a name": (got((b"x\r\ny", b"a")), RESET),
    "a colon in a name": (got((b"x:y", b"a")), RESET),
    "a blank in a name": (got((b"x y", b"a")), RESET),
    "a name in capitals": (got((b"X", b"a")), RESET),
    "transfer-encoding": (got((b"transfer-encoding", b"chunked")), RESET),
    "connection": (got((b"connection", b"close")), RESET),
    "upgrade": (got((b"upgrade", b"h2c")), RESET),
    "te": (got((b"te", b"gzip")), RESET),
    "a length and no body": (got((b"content-length", b"5")), RESET),
    "a length that is too short": (posted(b"3"), RESET),
    "a length that is too long": (posted(b"7"), RESET),
    "two lengths": (posted(b"5", b"0"), RESET),
    "a host with a path": (got(host=b"web.test/closed"), RESET),
    "a host with a user": (got(host=b"ann@web.test"), RESET),
    "two authorities": (got((b":authority", b"other.test")), RESET),
    "two paths": (got((b":path", b"/closed")), RESET),
    "an unknown pseudo-header": (got((b":x", b"y")), RESET),
    "a status": (got((b":status", b"200")), RESET),
    "no :path": (without(b":path"), RESET),
    "no :method": (without(b":method"), RESET),
    "no :scheme": (without(b":scheme"), RESET),
    "a pseudo-header behind others": (without(b":authority", (b"x", b"y"), (b":authority", b"web.test")), RESET),
    "a long path": (at(b"/web/" + b"x" * 20_000), RESET),
    "many headers": (got(*[(b"x", b"y")] * 200), RESET),
    "no path but a star": (at(b"*"), 503),
    "a connection": (([(b":method", b"CONNECT"), (b":authority", b"web.test:80")], None), 503),
}
"""Requests of which no service gets anything, with the status that the client is told."""

PASSED_ON = {
    "plain": (got(), b""),
    "a body without a length": (posted(), HELLO),
    "a body with its length": (posted(b"5"), HELLO),
    "another host beside the authority": (got((b"host", b"other.test")), b""),
    "a host for an authority": (without(b":authority", (b"host", b"web.test")), b""),
    "trailers": (got((b"te", b"trailers")), b""),
}
"""Requests that a service gets, as one for ``/web`` at ``web.test``, with their bodies."""


async def test_malformed_requests_reach_nobody(binary: Path, folder: Path) -> None:
    """They are answered by HAProxy, or the stream or connection ends."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, *world(origin), settings=IMPATIENT) as proxy:
        told = {name: await status_of(proxy.port, *sent) for name, (sent, _) in KEPT_OUT.items()}
        assert origin.received == origin.wrong == []
        assert await status_of(proxy.port, request(b"/web")) == 200
    assert told == {name: status for name, (_, status) in KEPT_OUT.items()}


async def test_requests_become_plain_ones(binary: Path, folder: Path) -> None:
    """A service gets one request in HTTP/1.1, with one host and one length."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, *world(origin), settings=IMPATIENT) as proxy:
        for name, (sent, body) in PASSED_ON.items():
            origin.received.clear()
            assert await status_of(proxy.port, *sent) == 200, name
            (received,) = origin.received
            assert received.line.split(" ")[1:] == ["/web", "HTTP/1.1"], name
            assert (received.values("host"), received.body) == (["web.test"], body), name
            sizes = received.values("content-length") + received.values("transfer-encoding")
            assert len(sizes) == (1 if body else 0), name
    assert origin.wrong == []
