"""What the labels of TCP frontends do."""

import asyncio
from pathlib import Path

import pytest
from builders import rendered_of, service, snapshot
from label_effects.edge import Origin, behind, edge, lines_of

TCP = {"reqMode": "tcp", "srcPort": "6379", "servicePath": ""}


async def test_timeout_client(binary: Path, folder: Path, origin: Origin) -> None:
    """A client that says nothing is given up after so long; with the proxy's own patience it is waited for."""
    hasty, patient = {"timeoutClient": "1"} | TCP, TCP | {"srcPort": "6380"}
    services = behind(origin, hasty, name="hasty"), behind(origin, patient, name="patient")
    async with edge(binary, folder, *services) as proxy:
        assert await asyncio.wait_for(proxy.tcp(6379, b""), 5) == b""
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(proxy.tcp(6380, b""), 1.5)


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
