"""The servers of tests in an event loop: when one is over, so are all of its connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from ssl import SSLContext

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Talks to one client until either has said all."""
AnswerNext = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; returns False if the connection is to be closed."""


@contextlib.asynccontextmanager
async def serving(
    serve: Serve,
    host: str | Iterable[str] = "127.0.0.1",
    port: int = 0,
    *,
    unix_socket: Path | None = None,
    tls: SSLContext | None = None,
    backlog: int = 100,
) -> AsyncIterator[int]:
    """Listen until the end of the block, and yield the port. Clients that go away in between are no failure."""
    talks: set[asyncio.Task[None]] = set()

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await serve(reader, writer)

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # A task of our own: one of asyncio's that is cancelled is reported as a failure of the server. The connection
        # is closed after the task, which may be cancelled before its first step.
        task = asyncio.create_task(talk(reader, writer))
        talks.add(task)
        task.add_done_callback(lambda _: writer.close())

    if unix_socket:
        server = await asyncio.start_unix_server(accept, path=unix_socket, ssl=tls, backlog=backlog)
    else:
        server = await asyncio.start_server(accept, host, port, ssl=tls, backlog=backlog)
    try:
        yield 0 if unix_socket else server.sockets[0].getsockname()[1]
    finally:
        server.close()
        await asyncio.sleep(0)
        for task in talks:
            task.cancel()
        ends = await asyncio.gather(*talks, return_exceptions=True)
        await asyncio.sleep(0)
        for end in ends:
            if isinstance(end, Exception):
                raise end


class Connections:
    """Listens on loopback, or on a unix socket; after `close`, `listen` takes the same address again."""

    def __init__(self, answer_next: AnswerNext, unix_socket: Path | None = None) -> None:
        self.port = 0
        self._answer_next = answer_next
        self._unix_socket = unix_socket
        self._open = contextlib.AsyncExitStack()

    async def listen(self) -> None:
        """Listen."""
        if self._unix_socket:
            self._unix_socket.unlink(missing_ok=True)
        server = serving(self._serve, port=self.port, unix_socket=self._unix_socket)
        self.port = await self._open.enter_async_context(server)

    async def close(self) -> None:
        """Close every connection, and listen no more: clients are refused."""
        await self._open.aclose()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await self._answer_next(reader, writer):
            pass
