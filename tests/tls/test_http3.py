"""HTTP/3 by ``ENABLE_H3``: HTTP/2 leads to it, and behind it everything is as it is by TCP.

Of the HAProxy programs that are tried only the one of the image speaks QUIC: that of 2.8 has none, and that of 3.0 has
it without the help of its TLS library, with which it can do a part only.
"""

import asyncio
import base64
import json
import re
from pathlib import Path

import httpx
import pytest
from haproxy.loopback import Slowness, http_server
from roles.processes import eventually, plain
from tls.authorities import Authority
from tls.clients import context, shown, status
from tls.conftest import MakeSite, Site
from tls.http3 import http3, udp_is_closed
from tls.servers import echo_server

pytestmark = pytest.mark.haproxy
with_quic = pytest.mark.parametrize("binary", ["3.4"], indirect=True)
without_quic = pytest.mark.parametrize("binary", ["2.8", "3.0"], indirect=True)


def by_http2(site: Site, path: str) -> httpx.Response:
    """Send a request by HTTP/2."""
    with httpx.Client(http1=False, http2=True, verify=context(), trust_env=False) as client:
        return client.get(f"https://127.0.0.1:{site.https}{path}")


@with_quic
async def test_http2_leads_to_http3(make_site: MakeSite, authority: Authority) -> None:
    """By ``alt-svc``; the service answers there, also many requests at once. Plain HTTP leads nowhere."""
    site = make_site({"a.pem": authority.issue("a.example")}, ENABLE_H3="true")
    first = by_http2(site, "/web")
    assert (first.http_version, first.status_code) == ("HTTP/2", 200)
    led = re.fullmatch(r'h3=":(\d+)"; ma=\d+', first.headers["alt-svc"])
    assert led
    assert "alt-svc" not in site.proxy.through("/web").headers

    async with http3(int(led[1]), "a.example", authority) as connection:
        answers = await asyncio.gather(*(connection.ask("/web") for _ in range(20)))
        assert [(each.status, each.body) for each in answers] == [(200, b"hello, world!")] * 20
        assert (await connection.ask("/nobody")).status == 503


@with_quic
async def test_the_name_a_client_asks_for_decides(make_site: MakeSite, authority: Authority) -> None:
    """Also among certificates that come later, without a reload."""
    site = make_site({"a.pem": authority.issue("a.example"), "b.pem": authority.issue("b.example")}, ENABLE_H3="true")
    for host in ("b.example", "a.example"):
        async with http3(site.https, host, authority) as connection:
            assert (await connection.ask("/web")).status == 200
    with pytest.raises(ConnectionError):
        async with http3(site.https, "c.example", authority):
            pass

    fresh = authority.issue("b.example", "c.example")
    site.put("b.pem", fresh)
    eventually(lambda: shown(site.https, "c.example") == fresh.serial, "the new certificate is shown")
    async with http3(site.https, "c.example", authority) as connection:
        assert (await connection.ask("/web")).status == 200
    assert site.proxy.reloads == 0


@with_quic
async def test_labels_have_their_effect(make_site: MakeSite, authority: Authority) -> None:
    """A request by HTTP/3 is one by HTTPS: to redirects, to rules about access, and to the service itself."""
    with echo_server() as echo:
        services = {
            "secure": plain(echo, "/secure", httpsOnly=True),
            "guarded": plain(echo, "/guarded", users="ann:secret"),
            "answered": plain(echo, "/answered", addResHeader="X-Team blue"),
        }
        site = make_site({"a.pem": authority.issue("a.example")}, services, ENABLE_H3="true")
        async with http3(site.https, "a.example", authority) as connection:
            secure = await connection.ask("/secure", cookie="colour=green")
            refused = await connection.ask("/guarded")
            ann = base64.b64encode(b"ann:secret").decode()
            let_in = await connection.ask("/guarded", authorization=f"Basic {ann}")
            answered = await connection.ask("/answered")

    assert site.proxy.status("/secure") == 302
    assert secure.status == 200
    sent = json.loads(secure.body)
    assert sent["host"] == "a.example"
    assert sent["cookie"] == "colour=green"
    assert sent["x-forwarded-proto"] == "https"
    assert sent["x-forwarded-for"] == "127.0.0.1"
    assert (refused.status, let_in.status) == (401, 200)
    assert answered.headers["x-team"] == "blue"


@with_quic
async def test_client_certificates(make_site: MakeSite, authority: Authority, folder: Path, backend: int) -> None:
    """Only clients of our authority are let in where that is asked for."""
    trusted, client = folder / "ca.pem", folder / "client.pem"
    trusted.write_text(authority.pem)
    client.write_text(authority.issue("ann").pem)
    services = {"guarded": plain(backend, "/guarded", verifyClientSsl=True)}
    site = make_site({"a.pem": authority.issue("a.example")}, services, ENABLE_H3="true", CA_FILE=str(trusted))

    async with http3(site.https, "a.example", authority) as nobody:
        assert (await nobody.ask("/guarded")).status == 403
    async with http3(site.https, "a.example", authority, client) as ann:
        assert (await ann.ask("/guarded")).status == 200


@with_quic
async def test_a_reload_loses_no_request(make_site: MakeSite, authority: Authority) -> None:
    """What is being answered is answered to its end, and who connects meanwhile is served by the next process."""
    slowness = Slowness()
    with http_server("done", slowness) as port:
        site = make_site({"a.pem": authority.issue("a.example")}, {"web": plain(port, "/web")}, ENABLE_H3="true")
        async with http3(site.https, "a.example", authority) as connection:
            waiting = asyncio.create_task(connection.ask("/web/slow"))
            await slowness.until_asked()
            site.services({"web": plain(port, "/web"), "new": plain(port, "/new", reqPathSearchReplace="/new,/web")})
            await asyncio.to_thread(eventually, lambda: site.proxy.reloads == 1, "there was a reload")
            async with http3(site.https, "a.example", authority) as second:
                assert (await second.ask("/new")).status == 200
            slowness.let_go()
            answer = await waiting
    assert (answer.status, answer.body) == (200, b"done")


@with_quic
def test_nothing_speaks_quic_unasked(make_site: MakeSite, authority: Authority) -> None:
    """Without ``ENABLE_H3`` nobody listens on the UDP port, and nothing leads there."""
    site = make_site({"a.pem": authority.issue("a.example")})

    assert udp_is_closed(site.https)
    assert "alt-svc" not in by_http2(site, "/web").headers


@without_quic
def test_without_quic_everything_else_works(make_site: MakeSite, authority: Authority) -> None:
    """And the operator is told."""
    site = make_site({"a.pem": authority.issue("a.example")}, ENABLE_H3="true")

    assert "ENABLE_H3 has no effect" in site.proxy.words()
    assert udp_is_closed(site.https)
    assert status(site.https, "/web") == 200
    assert "alt-svc" not in by_http2(site, "/web").headers
