"""A listener for fast tests: answers ``GET /v1/snapshot`` with ETag and long poll, and fails on command."""

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from urllib.parse import parse_qsl, urlsplit

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
        self.port = 0
        self._changed = asyncio.Event()
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def address(self) -> str:
        """What to configure a source with."""
        return f"127.0.0.1:{self.port}"

    def publish(self, snapshot: Snapshot) -> None:
        """Have a new world: polls that are being held end."""
        self.snapshot = snapshot
        self._changed.set()
        self._changed = asyncio.Event()

    async def start(self) -> None:
        """Listen; after `stop`, on the same port again."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Close all connections; clients are refused."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._connections):
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(self._serve(reader, writer))
        self._connections.add(task)
        task.add_done_callback(self._connections.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await self._answer_next(await reader.readuntil(b"\r\n\r\n"), writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer_next(self, head: bytes, writer: asyncio.StreamWriter) -> None:
        first, *lines = head.decode().strip().split("\r\n")
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
