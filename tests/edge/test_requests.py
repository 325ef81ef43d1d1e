"""Whatever a client sends, a service gets one well-formed request or none; and nobody else gets any of it."""

import asyncio
from pathlib import Path

from edge.wire import IMPATIENT, Recorder, sent, statuses, world
from label_effects.edge import behind, edge, running

BEHIND = b"GET /closed HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n"
"""A request that a service must never see: it is for another one, that is closed to everybody."""
LAST = b"0\r\n\r\n"
HELLO = b"5\r\nhello\r\n0\r\n\r\n"


def post(*headers: bytes, body: bytes = LAST + BEHIND, line: bytes = b"POST /web HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: web.test", *headers, b"", body])


def get(*headers: bytes, line: bytes = b"GET /web HTTP/1.1") -> bytes:
    return b"\r\n".join([line, b"Host: web.test", *headers, b"", b""])


WITHIN = b"%x\r\n%s\r\n%s" % (len(BEHIND), BEHIND, LAST)
CHUNKED = b"Transfer-Encoding: chunked"
FIVE = b"Content-Length: 5"

REFUSED = {
    "another encoding": post(b"Transfer-Encoding: xchunked", FIVE),
    "a blank before the colon": post(b"Transfer-Encoding : chunked", FIVE),
    "two encodings": post(CHUNKED, b"Transfer-Encoding: x"),
    "no encoding": post(b"Transfer-Encoding: identity", FIVE),
    "chunked twice": post(b"Transfer-Encoding: chunked, chunked"),
    "chunked first": post(b"Transfer-Encoding: chunked, identity"),
    "chunked last": post(b"Transfer-Encoding: gzip, chunked"),
    "chunked behind a vertical tab": post(b"Transfer-Encoding: \x0bchunked", FIVE),
    "chunked in quotes": post(b'Transfer-Encoding: "chunked"', FIVE),
    "two lengths": post(b"Content-Length: 0", FIVE),
    "a list of lengths": post(b"Content-Length: 5, 6"),
    "a length with plus": post(b"Content-Length: +5"),
    "a length with minus": post(b"Content-Length: -5"),
    "a hexadecimal length": post(b"Content-Length: 0x5"),
    "a length with a blank": post(b"Content-Length: 5 0"),
    "an empty length": post(b"Content-Length: "),
    "a length that no number can hold": post(b"Content-Length: 99999999999999999999999"),
    "a chunk extension with a bare LF": post(CHUNKED, body=b"5;a\nhello\r\n0\r\n\r\n" + BEHIND),
    "a chunk size with plus": post(CHUNKED, body=b"+" + HELLO + BEHIND),
    "a chunk size with 0x": post(CHUNKED, body=b"0x" + HELLO + BEHIND),
    "a chunk size that no number can hold": post(CHUNKED, body=b"ffffffffffffffff" + HELLO + BEHIND),
    "chunks with bare LFs": post(CHUNKED, body=b"5\nhello\n0\n\n" + BEHIND),
    "a chunk that is too long": post(CHUNKED, body=b"5\r\nhelloXX0\r\n\r\n" + BEHIND),
    "bare CRs": b"GET /web HTTP/1.1\rHost: web.test\r\r" + BEHIND,
    "a bare CR in a header": get(b"X-A: b\rTransfer-Encoding: chunked") + BEHIND,
    "a blank before the first header": get().replace(b"Host", b" Host: x\r\nHost"),
    "a null byte in a header": get(b"X-A: b\0c"),
    "HTTP/0.9": b"GET /web\r\n\r\n",
    "http in lower case": get(line=b"GET /web http/1.1"),
    "no version": get(line=b"GET /web"),
    "a blank behind the version": get(line=b"GET /web HTTP/1.1 "),
    "a header's name with brackets": get(b"X(A): b"),
    "a header's name with a blank": get(b"X A: b"),
    "a header's name beyond ASCII": get(b"X\xc4: b"),
    "a header without a name": get(b": b"),
    "a header without a colon": get(b"XA"),
    "a long header": get(b"X-A: " + b"b" * 20_000),
    "a long name": get(b"X" * 20_000 + b": b"),
    "a long host": get().replace(b"web.test", b"w" * 20_000),
    "a long path": get(line=b"GET /web/" + b"x" * 20_000 + b" HTTP/1.1"),
    "a long method": get(line=b"G" * 20_000 + b" /web HTTP/1.1"),
    "many headers": get(*[b"X-A: b"] * 200),
    "two hosts": get(b"Host: other.test"),
    "a host with a path": get().replace(b"web.test", b"web.test/x"),
    "a host with a user": get().replace(b"web.test", b"ann@web.test"),
    "a list of hosts": get().replace(b"web.test", b"other.test, web.test"),
    "a host with a blank": get().replace(b"web.test", b"other.test web.test"),
    "a host beyond ASCII": get().replace(b"web.test", b"w\xc4b.test"),
    "another host in the URL": get(line=b"GET http://other.test/web HTTP/1.1"),
    "a path where a host must be": get(line=b"CONNECT /web HTTP/1.1"),
}
"""Requests that HAProxy refuses, each by what is wrong with it."""

ONE = [200]
ANOTHER_ONE = [200, 403]
"""What comes behind is a request of its own, to which the rules apply."""

PASSED_ON = {
    "a length and chunks": (post(b"Content-Length: %d" % len(LAST + BEHIND), CHUNKED), b"", ONE),
    "chunks and a length": (post(CHUNKED, FIVE, body=WITHIN), BEHIND, ONE),
    "chunked behind a tab": (post(b"Transfer-Encoding:\tchunked", FIVE), b"", ONE),
    "chunked in capitals": (post(b"Transfer-Encoding: CHUNKED", FIVE), b"", ONE),
    "chunks in HTTP/1.0": (post(CHUNKED, FIVE, line=b"POST /web HTTP/1.0"), b"", ONE),
    "the same length twice": (post(FIVE, FIVE), LAST, ANOTHER_ONE),
    "a list of the same length": (post(b"Content-Length: 5, 5"), LAST, ANOTHER_ONE),
    "a length with zeros": (post(b"Content-Length: 005"), LAST, ANOTHER_ONE),
    "a length on a second line": (post(b"Content-Length:\r\n 5"), LAST, ANOTHER_ONE),
    "a length with GET": (get(b"Content-Length: %d" % len(BEHIND)) + BEHIND, BEHIND, ONE),
    "a chunk extension": (post(CHUNKED, body=b"5;a=b\r\nhello\r\n0\r\n\r\n" + BEHIND), b"hello", ANOTHER_ONE),
    "a length in a trailer": (post(CHUNKED, body=b"0\r\nContent-Length: 5\r\n\r\n" + BEHIND), b"", ANOTHER_ONE),
    "an unknown expectation": (post(FIVE, b"Expect: x"), LAST, ANOTHER_ONE),
    "headers that end with the connection": (post(FIVE, b"Connection: Content-Length"), LAST, ANOTHER_ONE),
    "a header on two lines": (get(b"X-A: b\r\n c") + BEHIND, b"", ANOTHER_ONE),
    "bare LFs": (b"GET /web HTTP/1.1\nHost: web.test\n\n" + BEHIND, b"", ANOTHER_ONE),
    "the same host twice": (get(b"Host: web.test") + BEHIND, b"", ANOTHER_ONE),
    "a tab in the request line": (get(line=b"GET\t/web HTTP/1.1") + BEHIND, b"", ANOTHER_ONE),
    "HTTP/1.2": (get(line=b"GET /web HTTP/1.2") + BEHIND, b"", ANOTHER_ONE),
    "an upgrade to HTTP/2": (get(b"Connection: Upgrade", b"Upgrade: h2c") + BEHIND, b"", ANOTHER_ONE),
    "an upgrade that is not made": (get(b"Connection: Upgrade", b"Upgrade: other") + BEHIND, b"", ANOTHER_ONE),
    "names that look like lengths": (get(b"Content_Length: 5", b"Transfer_Encoding: x") + BEHIND, b"", ANOTHER_ONE),
}
"""Requests that get through, each with the body that the service gets, and what the client is told."""


async def test_malformed_requests_are_refused(binary: Path, folder: Path) -> None:
    """The client is told so, the connection ends, and no service gets anything."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, *world(origin), settings=IMPATIENT) as proxy:
        answers = await asyncio.gather(*(sent(proxy.port, [request]) for request in REFUSED.values()))
        told = dict(zip(REFUSED, map(statuses, answers), strict=True))
        assert {name: all_of_it for name, all_of_it in told.items() if not _is_refusal(all_of_it)} == {}
        assert origin.received == origin.wrong == []
        assert (await proxy.ask("/web")).status == 200


def _is_refusal(told: list[int]) -> bool:
    return len(told) == 1 and told[0] in (400, 414, 422, 431)


async def test_odd_requests_become_plain_ones(binary: Path, folder: Path) -> None:
    """A service gets exactly one request, with one length, and what follows is looked at as any other request."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, *world(origin), settings=IMPATIENT) as proxy:
        for name, (request, body, told) in PASSED_ON.items():
            origin.received.clear()
            assert statuses(await sent(proxy.port, [request])) == told, name
            (received,) = origin.received
            assert received.line.split(" ")[:2] == [request.decode("latin-1").split()[0], "/web"], name
            assert received.body == body, name
            assert received.values("host") == ["web.test"], name
            sizes = received.values("content-length") + received.values("transfer-encoding")
            assert len(sizes) == (0 if request.startswith(b"GET") and not body else 1), name
            assert received.values("upgrade") in ([], ["other"]), name
            assert (await proxy.ask("/web/next")).body == b"GET /web/next HTTP/1.1"
    assert origin.wrong == []


async def test_nobody_calls_what_proxies_write_hop_by_hop(binary: Path, folder: Path) -> None:
    """A service that is itself a proxy drops what ``Connection`` names, so it gets no such name; upgrades go on."""
    origin = Recorder()
    named = (
        b"X-Forwarded-For",
        b"close, x-forwarded-for",
        b"Forwarded",
        b"keep-alive,X-Real-Ip",
        b"x-user\r\nConnection: te",
    )
    async with running(origin), edge(binary, folder, *world(origin), settings=IMPATIENT) as proxy:
        asked = (get(b"Connection: " + names) for names in named)
        for answer in await asyncio.gather(*(sent(proxy.port, [request]) for request in asked)):
            assert statuses(answer)[0] == 200
        assert len(origin.received) == len(named)
        for received in origin.received:
            assert received.values("x-forwarded-for") == ["127.0.0.1"]
            assert not [
                value for value in received.values("connection") if "x-" in value.lower() or "forw" in value.lower()
            ]
        origin.received.clear()
        await sent(proxy.port, [get(b"Connection: Upgrade", b"Upgrade: other")])
        assert origin.received[0].values("upgrade") == ["other"]
        assert [value.lower() for value in origin.received[0].values("connection")] == ["upgrade"]


async def test_requests_without_a_path_are_for_the_default_service_alone(binary: Path, folder: Path) -> None:
    """No path is no beginning of anything, not even of ``/``."""
    request = get(b"Connection: close", line=b"OPTIONS * HTTP/1.1")
    origin = Recorder()
    async with running(origin), edge(binary, folder, behind(origin, {"servicePath": "/"})) as proxy:
        assert statuses(await sent(proxy.port, [request])) == [503]
    async with running(origin), edge(binary, folder, behind(origin, {"isDefaultBackend": "true"})) as proxy:
        assert statuses(await sent(proxy.port, [request])) == [200]
