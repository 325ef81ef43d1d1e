"""Clients that send one request after the other and count every one that is not answered as it should be."""

import asyncio
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from benchmarks.world import Request

_CLIENTS = 4
_PER_CONNECTION = 50
"""Requests that a client sends before it connects anew."""
_LIMIT = 10.0


@dataclass(slots=True)
class Load:
    """What clients of one request have seen: how many were answered, and what became of the others."""

    port: int
    request: Request
    tls: ssl.SSLContext | None = None
    answered: int = 0
    lost: Counter[str] = field(default_factory=Counter)

    async def run(self) -> None:
        """Send requests until cancelled."""
        while True:
            try:
                async with asyncio.timeout(_LIMIT):
                    await self._connect_and_send()
            except (OSError, TimeoutError, asyncio.IncompleteReadError, ValueError) as error:
                self.lost[repr(error)] += 1

    async def _connect_and_send(self) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.tls)
        try:
            for number in range(_PER_CONNECTION):
                writer.write(self._bytes)
                try:
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                except asyncio.IncompleteReadError as error:
                    if error.partial or not number:
                        raise
                    self.lost["a kept connection was closed instead of an answer"] += 1
                    break
                lines = dict(line.lower().split(": ", 1) for line in head.strip().splitlines()[1:])
                await reader.readexactly(int(lines.get("content-length", 0)))
                self._count(head.split(" ", 2)[1])
                if lines.get("connection") == "close":
                    break
        finally:
            writer.close()

    def _count(self, status: str) -> None:
        if status == "200":
            self.answered += 1
        else:
            self.lost[f"status {status}"] += 1

    @property
    def _bytes(self) -> bytes:
        lines = [f"GET {self.request.path} HTTP/1.1", f"Host: {self.request.host}"]
        lines += [f"{name}: {value}" for name, value in self.request.headers.items()]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()


@asynccontextmanager
async def running(loads: Sequence[Load]) -> AsyncIterator[None]:
    """Have all loads run, each with some clients, until the end of the block."""
    tasks = [asyncio.create_task(load.run()) for load in loads for _ in range(_CLIENTS)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
