"""A proxy behind an original DFSL."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest
from fakes.connections import serving

from controller.errors import SourceUnavailableError
from controller.sources.listener import ListenerSource
from controller.sources.swarm_listener import SERVICES_PATH, decode_services
from models.reading import LabelRules, read_labels

SERVICES = [
    {"serviceName": "web", "servicePath": "/web", "port": "80", "distribute": "true", "replicas": "2"},
    {"serviceName": "everywhere", "servicePath": "/e", "port": "80", "distribute": "true", "nodeInfo": "[]"},
]


class OriginalListener:
    """Answers ``get-services`` and nothing else."""

    def __init__(self) -> None:
        self.body = json.dumps(SERVICES).encode()
        self.asked: list[str] = []
        self.port = 0

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].decode().partition("?")[0]
        self.asked.append(path)
        status, body = (200, self.body) if path == SERVICES_PATH else (404, b"404 page not found")
        head = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        writer.write(head.encode() + body)
        await writer.drain()


@pytest.fixture
async def original() -> AsyncIterator[OriginalListener]:
    """A running one."""
    made = OriginalListener()
    async with serving(made.answer) as made.port:
        yield made


async def test_its_services_are_the_world(original: OriginalListener) -> None:
    """Each look reads all of them, and requests go to the name of the service."""
    source = ListenerSource((f"127.0.0.1:{original.port}",))
    try:
        world = await source.snapshot()
        assert [(each.name, each.host, each.mode, each.replicas) for each in world.services] == [
            ("everywhere", "everywhere", "global", None),
            ("web", "web", "replicated", 2),
        ]
        assert all(read_labels(each.name, each.labels, LabelRules()).service for each in world.services)
        assert source.has_legacy
        assert await source.snapshot() == world

        original.body = b"null"
        assert not (await source.snapshot()).services
    finally:
        await source.close()


@pytest.mark.parametrize("body", [b"{}", b"[1]", b'[{"port": "secret"}]', b"<html>"])
async def test_an_odd_answer_is_no_world(original: OriginalListener, body: bytes) -> None:
    """It is refused as a whole, and not quoted."""
    original.body = body
    source = ListenerSource((f"127.0.0.1:{original.port}",))
    try:
        with pytest.raises(SourceUnavailableError, match="unusable answer") as caught:
            await source.snapshot()
        assert "secret" not in str(caught.value)
    finally:
        await source.close()


def test_of_equal_names_the_last_stays() -> None:
    """As in DFP, where each overwrote the one before."""
    body = json.dumps([{"serviceName": "web", "port": "1"}, {"serviceName": "web", "port": "2"}]).encode()

    assert [each.labels["com.df.port"] for each in decode_services(body).services] == ["2"]
