"""What the labels of connections do, on a port of TCP and where TLS is passed through by its name."""

import asyncio
import ssl
from pathlib import Path

import pytest
from builders import rendered_of, service, snapshot
from label_effects.edge import Origin, behind, edge, lines_of

TCP = {"reqMode": "tcp", "srcPort": "6379", "servicePath": ""}
SNI = {"reqMode": "sni", "srcPort": "8443", "servicePath": ""}


def hello(name: str) -> bytes:
    """Return the first message of a TLS client that asks for a name."""
    outgoing = ssl.MemoryBIO()
    with pytest.raises(ssl.SSLWantReadError):
        ssl.create_default_context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name).do_handshake()
    return outgoing.read()


async def test_timeout_client(binary: Path, folder: Path, origin: Origin) -> None:
    """A client that says nothing is given up after so long; with the proxy's own patience it is waited for."""
    hasty, patient = {"timeoutClient": "1"} | TCP, TCP | {"srcPort": "6380"}
    named = SNI | {"timeoutClient": "1", "serviceDomain": "hasty.x"}, SNI | {"serviceDomain": "patient.x"}
    services = [behind(origin, labels, name=f"s{number}") for number, labels in enumerate((hasty, patient, *named))]
    async with edge(binary, folder, *services) as proxy:
        given_up = proxy.tcp(6379, b""), proxy.tcp(8443, hello("hasty.x"))
        assert await asyncio.wait_for(asyncio.gather(*given_up), 5) == [b"", b""]
        waited_for = [asyncio.ensure_future(proxy.tcp(*each)) for each in ((6380, b""), (8443, hello("patient.x")))]
        done, _ = await asyncio.wait(waited_for, timeout=1.5)
        assert not done
        for each in waited_for:
            each.cancel()
        await asyncio.wait(waited_for)


@pytest.mark.parametrize("label", ["timeoutServer", "timeoutTunnel"])
async def test_other_timeouts(binary: Path, folder: Path, origin: Origin, label: str) -> None:
    """A service that stays silent is given up too; HAProxy's default for tunnels, an hour, is not in the way."""
    async with edge(binary, folder, behind(origin, {label: "1"} | TCP)) as proxy:
        assert await asyncio.wait_for(proxy.tcp(6379, b"GET /slow HTTP/1.1\r\n\r\n"), 5) == b""


async def test_clitcpka(binary: Path, folder: Path, origin: Origin) -> None:
    """Connections get through as ever; the kernel's packets are not ours to see."""
    async with edge(binary, folder, behind(origin, {"clitcpka": "true"} | TCP)) as proxy:
        assert (await proxy.tcp(6379, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")


def test_the_option_is_there_if_asked_for() -> None:
    """HAProxy's option, in the frontend of that port only."""
    asking, other = (
        service("a", TCP | {"port": "1", "clitcpka": "true"}),
        service("b", TCP | {"port": "1", "srcPort": "1"}),
    )
    assert list(lines_of(rendered_of(snapshot(asking, other)), "clitcpka")) == ["option clitcpka"]
    one, two = (
        service("c", SNI | {"port": "1", "clitcpka": "true", "serviceDomain": "c.x"}),
        service("d", SNI | {"port": "1", "serviceDomain": "d.x"}),
    )
    assert list(lines_of(rendered_of(snapshot(one, two)), "clitcpka")) == ["option clitcpka"]
    assert list(lines_of(rendered_of(snapshot(two)), "clitcpka")) == []
