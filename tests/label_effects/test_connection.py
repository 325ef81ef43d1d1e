"""What the labels of the connection to the service do."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge
from traffic import request_bytes

GET = request_bytes("/web", "web.test")


async def test_timeout_server(binary: Path, folder: Path, origin: Origin) -> None:
    """A service that stays silent for longer is given up with 504; another with the proxy's own patience is not."""
    hasty, patient = behind(origin, {"timeoutServer": "1"}, name="hasty"), behind(origin, name="patient")
    async with edge(binary, folder, hasty, patient) as proxy:
        assert (await proxy.ask("/hasty/slow")).status == 504
        assert (await proxy.ask("/patient/slow")).status == 200


@pytest.mark.parametrize("mode", ["http-keep-alive", "http-tunnel"])
async def test_connections_are_kept(binary: Path, folder: Path, origin: Origin, mode: str) -> None:
    """Both ends keep their connection; ``http-tunnel``, which HAProxy lost in 2.1, is taken for keeping alive."""
    async with edge(binary, folder, behind(origin, {"connectionMode": mode})) as proxy:
        first, second = await proxy.talk(GET, GET)
    assert (first.headers["x-connection"], second.headers["x-connection"]) == ("1", "1")


async def test_connections_to_the_service_are_closed(binary: Path, folder: Path, origin: Origin) -> None:
    """The client keeps its connection, the service gets a new one for each request."""
    async with edge(binary, folder, behind(origin, {"connectionMode": "http-server-close"})) as proxy:
        first, second = await proxy.talk(GET, GET)
    assert (first.headers["x-connection"], second.headers["x-connection"]) == ("1", "2")
    assert "connection" not in second.headers


@pytest.mark.parametrize("mode", ["httpclose", "forceclose"])
async def test_both_connections_are_closed(binary: Path, folder: Path, origin: Origin, mode: str) -> None:
    """Both ends close; ``forceclose``, which HAProxy lost in 2.0, meant the same."""
    async with edge(binary, folder, behind(origin, {"connectionMode": mode})) as proxy:
        (first,) = await proxy.talk(GET)
    assert first.headers["connection"] == "close"
    assert origin.got()["connection"] == ["close"]


async def test_timeout_tunnel(binary: Path, folder: Path, origin: Origin) -> None:
    """It is there for what was upgraded; an ordinary request is not cut short by it."""
    async with edge(binary, folder, behind(origin, {"timeoutTunnel": "1"})) as proxy:
        assert (await proxy.ask("/web/slow")).status == 200
