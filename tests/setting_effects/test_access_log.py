"""The access log: JSON on HAProxy's standard output, whatever clients send."""

import asyncio
import base64
import contextlib
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from edge import http2
from edge.wire import HOST, Recorder
from label_effects.edge import Origin, behind, edge, running
from setting_effects.log import line_where, lines, logged
from traffic import request_bytes

from models.settings import ProxySettings

JSON = ProxySettings(access_log="json")
TCP = {"reqMode": "tcp", "srcPort": "6379", "servicePath": ""}
HTTP_OVER_TCP = b"GET /cache HTTP/1.1\r\nConnection: close\r\n\r\n"
PROXIED = b"PROXY TCP4 192.0.2.1 127.0.0.1 40000 80\r\n"
LONG = "x" * 5000

HOSTILE = (
    *(b'/a"b', b"/a\\b", b'/a\\"', b"/a%22%5c%00%0a", b"/a?q=secret", b"/\\u0000\\", b"http://web.test/abs"),
    *(b"/" + b'"' * 3000, b"/" + b"\\" * 3001, b"/" + b"'{}%[date]", b"*", b"/" + b"/" * 900, b"/%%%[x]{+E}"),
)
"""Targets of requests that HTTP allows or HAProxy lets pass, and some that it does not."""
NO_ASCII = (
    b"/\xc3\xa9",
    b"/\xff\xfe",
    b"/\xe2\x82",
    b"/" + b"\xc3\xa9" * 900,
    b"/\xf0\x9f\x98\x80",
    b"/\xc2\x80\xc2\x9f",
)
"""Paths of which only HTTP/2 can tell: in UTF-8, nearly so, and not at all."""
STRANGE = (
    b"\x00",
    b"\x16\x03\x01",
    b'"{}\r\n\r\n',
    b"GET\r\n\r\n",
    b'G"T / HTTP/1.1\r\n\r\n',
    b"GET / HTTP/9.9\r\n\r\n",
)
STRANGE_HEADERS = (
    *('Host: a"b\\c', "Host: \u00e9", f"Host: {LONG}", "Host: ", "Host: a\tb", "Host: x\x01"),
    *('X-Told: "\\\x01\x02"', f"X-Told: {chr(1) * 3000}", "X-Told: \u00e9\u20ac", f"X-Told: {chr(233) * 3000}"),
)


async def test_a_request_is_told_in_full(binary: Path, folder: Path, origin: Origin) -> None:
    """Who asked, for what, who answered, and how long it took; nothing of what may be secret."""
    login = base64.b64encode(b"ann:hunter2").decode()
    secrets = f"Authorization: Basic {login}", "Cookie: token=hunter2"
    async with edge(binary, folder, behind(origin, {"servicePath": "/web,/more"}), settings=JSON) as proxy:
        before = datetime.now(UTC) - timedelta(seconds=1)
        assert (await proxy.ask("/web/slow?key=hunter2", *secrets, host="Web.test:80", method="PUT")).status == 200
        line = await line_where(folder, status=200)
        text = "".join(logged(folder))
    assert "hunter2" not in text
    assert login not in text
    expected = {
        "event": "request",
        "client": "192.0.2.1",
        "client_port": 40000,
        "frontend": "services",
        "backend": f"web-be{origin.port}_0",
        "service": "web",
        "route": "/more|/web",
        "server": "web",
        "method": "PUT",
        "host": "Web.test:80",
        "path": "/web/slow",
        "http": "1",
        "tls": "",
        "status": 200,
        "retries": "0",
        "termination": "--",
    }
    assert {name: line[name] for name in expected} == expected
    assert before < datetime.fromisoformat(line["time"]) <= datetime.now(UTC)
    assert line["bytes_in"] > 100
    assert line["bytes_out"] > 100
    timers = line["timers"]
    assert timers.keys() == {"Tq", "Tw", "Tc", "Tr", "Ta"}
    assert timers["Ta"] >= timers["Tr"] > 1000


async def test_every_answer_names_the_service_that_it_is_for(binary: Path, folder: Path, origin: Origin) -> None:
    """Denied, sent elsewhere and failed requests as well; only what no service is there for has none."""
    services = (
        behind(origin, {"allowedMethods": "POST"}, name="denied"),
        behind(origin, {"httpsOnly": "true"}, name="secure"),
        behind(origin, {"serviceDomain": "own.test", "redirectFromDomain": "former.test"}, name="own"),
        behind(origin, {"users": "ann:secret"}, name="locked"),
        behind(origin, {"port": "1"}, name="down"),
    )
    async with edge(binary, folder, *services, settings=JSON) as proxy:
        for path, host, status, service in (
            ("/denied", "web.test", 403, "denied"),
            ("/secure", "web.test", 302, "secure"),
            ("/own", "own.test", 200, "own"),
            ("/own", "former.test", 301, ""),
            ("/locked", "web.test", 401, "locked"),
            ("/down", "web.test", 503, "down"),
            ("/nobody", "web.test", 503, ""),
        ):
            assert (await proxy.ask(path, host=host)).status == status
            line = await line_where(folder, status=status, path=path, host=host)
            assert line["service"] == service
        assert (await line_where(folder, path="/own", status=200))["route"] == "own.test/own"
        assert (await line_where(folder, path="/nobody"))["backend"] == "services"
        assert (await proxy.ask("/secure", tls=True)).status == 200
        assert (await line_where(folder, service="secure", status=200))["tls"] == "TLSv1.3"


async def test_connections_are_told_as_well(binary: Path, folder: Path, origin: Origin) -> None:
    """Those to a port, and those that are passed through by the name that the client asks for."""
    sni = {"reqMode": "sni", "srcPort": "9443", "servicePath": "", "serviceDomain": "secure.test"}
    tested = {**sni, "pathType": "req_ssl_sni -i -m reg", "servicePath": r"^api\.", "serviceDomain": ""}
    services = behind(origin, TCP, name="cache"), behind(origin, sni, name="secure"), behind(origin, tested, name="api")
    async with edge(binary, folder, *services, settings=JSON) as proxy:
        assert await proxy.tcp(6379, HTTP_OVER_TCP)
        line = await line_where(folder, event="connection", service="cache")
        expected = {"client": "192.0.2.1", "frontend": "tcpFE_6379", "route": "tcp:6379", "server": "cache", "host": ""}
        assert {name: line[name] for name in expected} == expected
        assert (line["bytes_in"], line["timers"].keys()) == (len(HTTP_OVER_TCP), {"Tw", "Tc", "Tt"})
        for name in ("secure.test", "api.test", "nobody.test"):
            await said(folder / "tcp9443.sock", PROXIED + hello(name))
        line = await line_where(folder, event="connection", host="secure.test")
        assert (line["service"], line["route"], line["frontend"]) == ("secure", "sni:9443_secure.test", "service_9443")
        line = await line_where(folder, event="connection", host="api.test")
        assert (line["service"], line["route"]) == ("api", r"sni:9443_names_by_predicate_(-i_-m_reg_^api\.)")
        assert (await line_where(folder, event="connection", host="nobody.test"))["service"] == ""


def hello(name: str) -> bytes:
    """Return the first message of a TLS client that asks for a name."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(incoming, outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


async def said(where: int | Path, text: bytes) -> None:
    """Send text over a connection of its own, hang up, and wait until HAProxy has done with it."""
    opened = asyncio.open_unix_connection(where) if isinstance(where, Path) else asyncio.open_connection(HOST, where)
    reader, writer = await opened
    with contextlib.suppress(ConnectionError):
        writer.write(text)
        writer.write_eof()
        await reader.read()
    writer.close()


async def test_every_line_is_json_whatever_is_sent(binary: Path, folder: Path, origin: Origin) -> None:
    """Quotes, escapes, what is no UTF-8, what is too long, and what is no HTTP at all."""
    settings = ProxySettings(access_log="json", capture_request_header="X-Told:4096,Referer:4096")
    async with (
        running(server := Recorder()),
        edge(
            binary, folder, behind(origin, {"servicePath": "/"}), behind(server, TCP, name="cache"), settings=settings
        ) as proxy,
    ):
        for target in HOSTILE:
            await said(proxy.port, b"GET %s HTTP/1.1\r\nHost: web.test\r\n\r\n" % target)
        for header in STRANGE_HEADERS:
            more = [] if header.startswith("Host") else ["Host: web.test"]
            await said(proxy.port, request_bytes("/headers", None, *more, header, f"Referer: {chr(1) * 3000}"))
        for text in STRANGE:
            await said(proxy.port, text)
            await said(folder / "tls.sock", text)
            await said(folder / "from.sock", text)
            await said(folder / "tcp6379.sock", PROXIED + text)
        for target in (*HOSTILE, *NO_ASCII):
            await http2.status_of(proxy.port, http2.request(target, (b"x-told", b'"\xff\x01')))
            await http2.status_of(proxy.port, http2.request(b"/", method=target[:40], host=target[:200]))
        await said(proxy.port, request_bytes("/last", "a", 'X-Told: "\\\x01\x02"', f"Referer: {chr(1) * 3000}"))
        for path in ('/a"b', "/a\\b", '/a\\"', "/a%22%5c%00%0a", "/a", "/\u00e9", "/'{}%[date]"):
            await line_where(folder, path=path)
        await line_where(folder, path="/last")
        await line_where(folder, event="connection", service="cache")
        await line_where(folder, event="refused", status=400)
        found = [line for line in lines(folder) if line["event"] == "request"]
    assert not [line for line in found if "secret" in line["path"]]
    (last,) = (line["headers"] for line in found if line["path"] == "/last")
    assert last["X-Told"] == '"\\\x01\x02"'
    assert last["Referer"] == "\x01" * len(last["Referer"]) != ""


async def test_errors_only(binary: Path, folder: Path, origin: Origin) -> None:
    """What failed or was denied is told; what was answered, or sent elsewhere, is not."""
    services = (
        behind(origin),
        behind(origin, {"allowedMethods": "POST"}, name="denied"),
        behind(origin, {"httpsOnly": "true"}, name="secure"),
        behind(origin, {"users": "ann:secret"}, name="locked"),
    )
    paths = ("/web/well", "/secure", "/locked", "/web/fail", "/denied", "/none")
    async with edge(binary, folder, *services, settings=ProxySettings(access_log="errors")) as proxy:
        # Over one connection, for lines of several come in any order.
        await proxy.talk(*(request_bytes(path, "web.test") for path in paths))
        await line_where(folder, path="/none")
        assert [line["path"] for line in lines(folder)] == ["/web/fail", "/denied", "/none"]


async def test_it_comes_instead_of_debug(binary: Path, folder: Path, origin: Origin) -> None:
    """Every line is JSON, with the headers that are to be captured; what asks nothing is not logged."""
    settings = ProxySettings(
        access_log="json",
        debug="true",
        debug_http_format="%HU",
        debug_errors_only="true",
        capture_request_header="Referer:9",
    )
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        await said(proxy.port, b"")
        await proxy.ask("/web", "Referer: there/else")
        line = await line_where(folder, path="/web")
        assert line["headers"] == {"Referer": "there/els"}
        assert len(lines(folder)) == 1


async def test_the_client_is_whom_trusted_proxies_say(binary: Path, folder: Path, origin: Origin) -> None:
    """As everywhere else."""
    settings = ProxySettings(access_log="json", trusted_proxies="192.0.2.0/24")
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        await proxy.ask("/web", "X-Forwarded-For: 198.51.100.7")
        assert (await line_where(folder, path="/web"))["client"] == "198.51.100.7"
