"""The server below the fakes that answer HTTP in an event loop: it keeps connections open, and can be gone at once."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from pathlib import Path

AnswerNext = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bool]]
"""Answers one request; returns False if the connection is to be closed."""


class Connections:
    """Listens on loopback, or on a unix socket; after `close`, `listen` takes the same address again."""

    def __init__(self, answer_next: AnswerNext, unix_socket: Path | None = None) -> None:
        self.port = 0
        self._answer_next = answer_next
        self._unix_socket = unix_socket
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()

    async def listen(self) -> None:
        """Listen."""
        if self._unix_socket:
            self._unix_socket.unlink(missing_ok=True)
            self._server = await asyncio.start_unix_server(self._accept, path=self._unix_socket)
            return
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Close every connection, and listen no more: clients are refused."""
        if self._server is not None:
            self._server.close()
        for connection in list(self._open):
            connection.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)
        await asyncio.sleep(0)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # Handled in a task of our own, so that one that is cancelled is not reported as a failure of the server.
        task = asyncio.create_task(self._serve(reader, writer))
        self._open.add(task)
        task.add_done_callback(self._open.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._answer_next(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()
