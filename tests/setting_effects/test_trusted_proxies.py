"""Behind trusted proxies the client is whom they say; nobody else is believed."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge
from setting_effects.log import line_with, logged
from traffic import request_bytes

from models.settings import ProxySettings
from models.snapshot import SwarmService

TRUSTED = ProxySettings(trusted_proxies="10.0.0.0/8,2001:db8:1::/48")
CLIENT, PROXY, OTHER_PROXY, STRANGER = "198.51.100.7", "10.0.0.1", "10.9.9.9", "203.0.113.5"


def forwarded(*addresses: str) -> str:
    return f"X-Forwarded-For: {', '.join(addresses)}"


@pytest.fixture
def guarded(origin: Origin) -> SwarmService:
    """A service for one client only."""
    return behind(origin, {"allowedSrc": CLIENT})


async def test_addresses_are_those_of_clients(binary: Path, folder: Path, guarded: SwarmService) -> None:
    """The last address that is no trusted proxy's counts, and only if nothing else comes after it."""
    async with edge(binary, folder, guarded, settings=TRUSTED) as proxy:

        async def status(*headers: str, client: str = PROXY) -> int:
            return (await proxy.ask("/web", *headers, client=client)).status

        assert await status(client=CLIENT) == 200
        assert await status(client=PROXY) == 403
        assert await status(forwarded(CLIENT)) == 200
        assert await status(forwarded(CLIENT), client="2001:db8:1::1") == 200
        assert await status(forwarded(CLIENT, OTHER_PROXY)) == 200
        assert await status(forwarded(CLIENT, *[OTHER_PROXY] * 4)) == 200
        assert await status(forwarded(f"{CLIENT}:4711")) == 200
        assert await status(forwarded(STRANGER), forwarded(CLIENT)) == 200
        # What a client can write itself stands before what the proxies add.
        assert await status(forwarded(CLIENT), client=STRANGER) == 403
        assert await status(forwarded(CLIENT, OTHER_PROXY), client=STRANGER) == 403
        assert await status(forwarded(CLIENT, STRANGER)) == 403
        assert await status(forwarded(CLIENT, STRANGER, OTHER_PROXY)) == 403
        assert await status(forwarded(CLIENT, "unknown")) == 403
        assert await status(forwarded(CLIENT, OTHER_PROXY, "unknown")) == 403
        assert await status(forwarded(CLIENT, "unknown", OTHER_PROXY)) == 403
        assert await status("X-Forwarded-For:") == 403


async def test_every_request_of_a_connection_is_looked_at(binary: Path, folder: Path, guarded: SwarmService) -> None:
    """A proxy sends the requests of several clients over one connection."""
    requests = [
        request_bytes("/web", "web.test", *headers)
        for headers in ([forwarded(CLIENT)], [], [forwarded(STRANGER)], [forwarded(CLIENT, OTHER_PROXY)])
    ]
    async with edge(binary, folder, guarded, settings=TRUSTED) as proxy:
        answers = await proxy.talk(*requests, client=PROXY)
    assert [answer.status for answer in answers] == [200, 403, 403, 200]


async def test_nobody_is_believed_without_the_variable(binary: Path, folder: Path, guarded: SwarmService) -> None:
    """The client is who is connected."""
    async with edge(binary, folder, guarded) as proxy:
        assert (await proxy.ask("/web", forwarded(CLIENT), client=PROXY)).status == 403
        assert (await proxy.ask("/web", client=CLIENT)).status == 200


async def test_the_header_that_is_sent_on_is_right(binary: Path, folder: Path, origin: Origin) -> None:
    """It gets the address of who is connected, as ever, also where a service has what came taken out."""
    cleaned = behind(origin, {"delReqHeader": "X-Forwarded-For"}, name="cleaned")
    async with edge(binary, folder, behind(origin), cleaned, settings=TRUSTED) as proxy:

        async def sent_on(path: str, *headers: str, client: str) -> str:
            assert (await proxy.ask(path, *headers, client=client)).status == 200
            return ", ".join(origin.got()["x-forwarded-for"])

        assert await sent_on("/web", forwarded(CLIENT), client=PROXY) == f"{CLIENT}, {PROXY}"
        assert (
            await sent_on("/web", forwarded(CLIENT, OTHER_PROXY), client=PROXY) == f"{CLIENT}, {OTHER_PROXY}, {PROXY}"
        )
        assert await sent_on("/web", forwarded(CLIENT), client=STRANGER) == f"{CLIENT}, {STRANGER}"
        assert await sent_on("/web", client=PROXY) == PROXY
        assert await sent_on("/cleaned", forwarded(CLIENT), client=PROXY) == PROXY


async def test_clients_are_counted_and_logged_apart(binary: Path, folder: Path, origin: Origin) -> None:
    """A rate limit is each client's own, and the log has their addresses."""
    settings = TRUSTED.model_copy(update={"debug": True, "debug_http_format": "%ci %ST"})
    async with edge(binary, folder, behind(origin, {"rateLimit": "1/1h"}), settings=settings) as proxy:
        for client, status in ((CLIENT, 200), (CLIENT, 429), (STRANGER, 200)):
            assert (await proxy.ask("/web", forwarded(client), client=PROXY)).status == status
        await line_with(proxy, f"{STRANGER} 200")
        lines = [line for line in logged(folder) if line.endswith((" 200", " 429"))]
    assert lines == [f"{CLIENT} 200", f"{CLIENT} 429", f"{STRANGER} 200"]


@pytest.mark.parametrize(
    ("settings", "client", "status"),
    [
        pytest.param(TRUSTED, PROXY, 200, id="a trusted proxy"),
        pytest.param(TRUSTED, STRANGER, 302, id="a stranger"),
        pytest.param(ProxySettings(), STRANGER, 200, id="anybody, if nobody is trusted in particular"),
    ],
)
async def test_who_may_say_that_a_client_came_by_https(  # noqa: PLR0917 - fixtures and columns
    binary: Path, folder: Path, origin: Origin, settings: ProxySettings, client: str, status: int
) -> None:
    """Trusted proxies if there are any; else whoever writes the header, as in Docker Flow."""
    async with edge(binary, folder, behind(origin, {"redirectUnlessHttpsProto": "true"}), settings=settings) as proxy:
        assert (await proxy.ask("/web", "X-Forwarded-Proto: https", client=client)).status == status
        assert (await proxy.ask("/web", "X-Forwarded-Proto: https", client=client, tls=True)).status == 200


async def test_what_strangers_say_of_themselves_is_dropped(binary: Path, folder: Path, origin: Origin) -> None:
    """If it is for proxies to say; the header for addresses is kept, since the last of them is not theirs."""
    told = ("X-Forwarded-Host: evil.test", "X-Forwarded-Proto: https", "X-Forwarded-Port: 443", "Forwarded: for=x")
    names = {line.partition(":")[0].lower() for line in told}
    async with edge(binary, folder, behind(origin), settings=TRUSTED) as proxy:
        await proxy.ask("/web", *told, forwarded(CLIENT), client=STRANGER)
        assert names & origin.got().keys() == set()
        assert "x-forwarded-for" in origin.got()
        await proxy.ask("/web", *told, client=PROXY)
        assert names <= origin.got().keys()


async def test_headers_with_names_that_look_alike_are_dropped(binary: Path, folder: Path, origin: Origin) -> None:
    """Services that read headers as CGI does would take them for the real ones; other names are nobody's business."""
    async with edge(binary, folder, behind(origin)) as proxy:
        await proxy.ask("/web", "X_Forwarded_For: 1.2.3.4", "x_forwarded_proto: https", "X_Other: x", client=STRANGER)
    assert [name for name in origin.got() if "_" in name] == ["x_other"]
    assert origin.got()["x-forwarded-for"] == [STRANGER]


async def test_connections_have_no_header(binary: Path, folder: Path, origin: Origin) -> None:
    """With ``reqMode=tcp`` the client is who is connected."""
    cache = behind(origin, {"reqMode": "tcp", "srcPort": "6379", "servicePath": "", "allowedSrc": CLIENT}, name="cache")
    request = f"GET / HTTP/1.1\r\n{forwarded(CLIENT)}\r\nConnection: close\r\n\r\n".encode()
    async with edge(binary, folder, cache, settings=TRUSTED) as proxy:
        assert await proxy.tcp(6379, request, client=CLIENT)
        assert not await proxy.tcp(6379, request, client=PROXY)
