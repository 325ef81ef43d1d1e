"""A listener for fast tests: answers ``GET /v1/snapshot`` with ETag and long poll, and fails on command."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlsplit

from fakes.connections import Connections

from models.snapshot import Snapshot


class FakeListener:
    """Runs in the test's own event loop; ``answer`` replaces all answers: ``(status, body)`` or ``"hang"``."""

    def __init__(self) -> None:
        self.snapshot = Snapshot()
        self.etag: str | None = None
        self.token: str | None = None
        self.answer: tuple[int, bytes] | str | None = None
        self.holds = True
        self.polls: list[dict[str, str]] = []
        self.headers: list[dict[str, str]] = []
        self._changed = asyncio.Event()
        self._server = Connections(self._answer_next)

    @property
    def address(self) -> str:
        """What to configure a source with."""
        return f"127.0.0.1:{self._server.port}"

    def publish(self, snapshot: Snapshot) -> None:
        """Have a new world: polls that are being held end."""
        self.snapshot = snapshot
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen; after `stop`, on the same port again."""
        await self._server.listen()

    async def stop(self) -> None:
        """Close all connections; clients are refused."""
        await self._server.close()

    async def _answer_next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        query = dict(parse_qsl(urlsplit(first.split(" ")[1]).query))
        headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
        self.polls.append(query)
        self.headers.append(headers)
        if self.answer == "hang":
            await asyncio.Event().wait()
        status, body = await self._respond(query, headers)
        extra = "Content-Encoding: gzip\r\n" if status == 200 else ""
        body = gzip.compress(body, 1) if status == 200 else body
        writer.write(
            f"HTTP/1.1 {status} X\r\nETag: {self._etag()}\r\n{extra}Content-Length: {len(body)}\r\n\r\n".encode() + body
        )
        await writer.drain()
        return True

    async def _respond(self, query: dict[str, str], headers: dict[str, str]) -> tuple[int, bytes]:
        if isinstance(self.answer, tuple):
            return self.answer
        if self.token and headers.get("authorization") != f"Bearer {self.token}":
            return 403, b"{}"
        if headers.get("if-none-match") == self._etag() and self.holds:
            with suppress(TimeoutError):
                async with asyncio.timeout(float(query.get("wait", 0))):
                    await self._changed.wait()
        if headers.get("if-none-match") == self._etag():
            return 304, b""
        return 200, self.snapshot.model_dump_json().encode()

    def _etag(self) -> str:
        return self.etag if self.etag is not None else f'"{self.snapshot.digest}"'


@asynccontextmanager
async def listening(*names: str) -> AsyncIterator[FakeListener]:
    """A running listener with a world of services with these names."""
    listener = FakeListener()
    listener.snapshot = world(*names)
    await listener.start()
    try:
        yield listener
    finally:
        await listener.stop()


def world(*names: str, **parts: object) -> Snapshot:
    """A snapshot with services of these names, sorted."""
    return Snapshot.model_validate(
        {"services": [{"id": f"id-{name}", "name": name, **parts} for name in sorted(names)]}
    )
