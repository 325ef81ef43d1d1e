"""What becomes of requests that a task cannot answer any more: those that may be sent again go to another task."""

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest
from builders import service
from label_effects.edge import Edge, Origin, edge, running, tasks_at

from models.snapshot import SwarmService

HALF = b"HTTP/1.1 200 Told\r\nContent-Length: 1000\r\n\r\nhalf"


@dataclass
class Dying(Origin):
    """A task that is killed while it deals with a request, each time; ``last_words`` are what it still says."""

    last_words: bytes = b""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one request."""
        self.heads.append((await reader.readuntil(b"\r\n\r\n")).decode("latin-1"))
        writer.write(self.last_words)


async def started(stack: AsyncExitStack, alive: Origin, *dying: Origin) -> SwarmService:
    """Start the task that is well at the first address, others behind it; return the service that they are of."""
    await stack.enter_async_context(running(alive))
    for number, origin in enumerate(dying, start=2):
        await stack.enter_async_context(running(origin, host=f"127.0.0.{number}", port=alive.port))
    labels = {"servicePath": "/web", "port": str(alive.port), "discoveryType": "DNS"}
    return service("web", labels, tasks=tasks_at(["127.0.0.1", "127.0.0.2", "127.0.0.3"]), endpoint_mode="dnsrr")


async def statuses(proxy: Edge, method: str, number: int = 6) -> list[int]:
    """Send some requests, more than there are tasks."""
    return [(await proxy.ask(method=method)).status for _ in range(number)]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_task_that_is_gone_is_passed_over(binary: Path, folder: Path, method: str) -> None:
    """Nothing was sent to it, so every request may go to another task; it does, at once, even if two are gone."""
    alive = Origin()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(edge(binary, folder, await started(stack, alive)))
        assert await statuses(proxy, method) == [200] * 6
    assert len(alive.heads) == 6


async def test_what_only_reads_is_sent_again(binary: Path, folder: Path) -> None:
    """A ``GET`` that was not answered at all is answered by another task."""
    alive, dying = Origin(), Dying()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(edge(binary, folder, await started(stack, alive, dying)))
        assert await statuses(proxy, "GET") == [200] * 6
    assert dying.heads
    assert len(alive.heads) == 6


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_what_may_have_had_an_effect_is_not_sent_again(binary: Path, folder: Path, method: str) -> None:
    """It is sent once, and the client is told with 502 that there was no answer."""
    alive, dying = Origin(), Dying()
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(edge(binary, folder, await started(stack, alive, dying)))
        answered = await statuses(proxy, method)
    assert len(alive.heads) + len(dying.heads) == 6
    assert answered.count(502) == len(dying.heads) > 0
    assert answered.count(200) == len(alive.heads)


async def test_what_is_half_answered_is_not_sent_again(binary: Path, folder: Path) -> None:
    """The client has seen a part of the answer; that is the one thing that gets lost with a task."""
    alive, dying = Origin(), Dying(last_words=HALF)
    lost = 0
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(edge(binary, folder, await started(stack, alive, dying)))
        for _ in range(6):
            try:
                await proxy.ask()
            except asyncio.IncompleteReadError:
                lost += 1
    assert lost == len(dying.heads) > 0
    assert len(alive.heads) + len(dying.heads) == 6
