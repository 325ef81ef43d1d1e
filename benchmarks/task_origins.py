"""Origins that come and go as tasks do: told to stop, they refuse new connections at once and finish what they have."""

import asyncio
from contextlib import suppress
from dataclasses import dataclass, field

_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n"
_BODY = b"benchmark"
_WORK = 0.005
"""Seconds that a request takes, so that there always are some under way."""


@dataclass(slots=True)
class TaskOrigin:
    """One task's server at an address of loopback."""

    address: str
    port: int
    _server: asyncio.Server | None = None
    _is_stopping: bool = False
    _idle: set[asyncio.StreamWriter] = field(default_factory=set)

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, self.address, self.port)

    def stop(self) -> None:
        """Do what a well-behaved server does upon SIGTERM."""
        self._is_stopping = True
        if self._server is not None:
            self._server.close()
        for writer in list(self._idle):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._idle.add(writer)
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            while not writer.is_closing():
                await reader.readuntil(b"\r\n\r\n")
                self._idle.discard(writer)
                await asyncio.sleep(_WORK)
                last = b"Connection: close\r\n" if self._is_stopping else b""
                writer.write(_ANSWER + last + b"\r\n" + _BODY)
                await writer.drain()
                if last:
                    break
                self._idle.add(writer)
        self._idle.discard(writer)
        writer.close()
