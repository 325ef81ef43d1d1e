"""A running ``watch`` for tests, with the reasons it gave for looking again."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from controller.ports import Source


class Watched:
    """Collects what a source's ``watch`` says."""

    def __init__(self) -> None:
        self.reasons: list[str] = []

    async def until(self, reason: str, *, within: float = 5.0) -> None:
        """Wait for a reason, and forget all that were given so far; `TimeoutError` if it does not come."""
        async with asyncio.timeout(within):
            while reason not in self.reasons:  # noqa: ASYNC110 - it is what is watched that tells
                await asyncio.sleep(0.005)
        self.reasons.clear()


@asynccontextmanager
async def watching(source: Source) -> AsyncIterator[Watched]:
    """Watch a source inside the block."""
    watched = Watched()
    task = asyncio.create_task(source.watch(watched.reasons.append))
    try:
        yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
