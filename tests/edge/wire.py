"""Clients that send what they like, byte by byte if need be, and a server that keeps all that it gets."""

import asyncio
import contextlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from label_effects.edge import Origin, behind

from models.settings import ProxySettings
from models.snapshot import SwarmService

HOST = "127.0.0.1"
IMPATIENT = ProxySettings(timeout_client=2, timeout_http_request=2, timeout_http_keep_alive=2)
"""Waits for no client for long, so that a connection that HAProxy keeps open ends within a test."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as a service gets it."""

    line: str
    headers: tuple[tuple[str, str], ...]
    body: bytes

    def values(self, name: str) -> list[str]:
        """Return the values of a header, each line's as it is."""
        return [value for each, value in self.headers if each == name]


@dataclass
class Recorder(Origin):
    """A server that reads requests strictly, and keeps them; ``wrong`` is what it could not read."""

    received: list[Received] = field(default_factory=list)
    wrong: list[bytes] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection, as long as they are well formed."""
        while head := await self._head(reader):
            self.received.append(await _request(head, reader))  # a body that ends early is no request
            body = self.received[-1].line.encode()
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async def _head(self, reader: asyncio.StreamReader) -> str | None:
        try:
            return (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").removesuffix("\r\n\r\n")
        except asyncio.IncompleteReadError as error:
            self.wrong.extend([error.partial] if error.partial else [])
            return None


async def _request(head: str, reader: asyncio.StreamReader) -> Received:
    line, *lines = head.split("\r\n")
    pairs = (each.partition(":") for each in lines)
    request = Received(line, tuple((name.lower(), value.strip()) for name, _, value in pairs), b"")
    body = b""
    if request.values("transfer-encoding"):
        while size := int(await reader.readline(), 16):
            body += (await reader.readexactly(size + 2))[:-2]
        while (await reader.readline()).strip():
            pass
    elif request.values("content-length"):
        body = await reader.readexactly(int(request.values("content-length")[0]))
    return Received(request.line, request.headers, body)


def world(origin: Recorder) -> list[SwarmService]:
    """Return a service that everybody may use, and one that nobody may."""
    return [behind(origin), behind(origin, {"deniedSrc": "0.0.0.0/0"}, name="closed")]


async def sent(where: int | Path, pieces: Iterable[bytes], *, pause: float = 0) -> bytes:
    """Send pieces to a port or socket over one connection; return all that comes back until HAProxy closes it."""
    opened = asyncio.open_unix_connection(where) if isinstance(where, Path) else asyncio.open_connection(HOST, where)
    reader, writer = await opened
    told = asyncio.ensure_future(_all(reader))
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            if told.done():
                break
            writer.write(piece)
            await asyncio.wait({told}, timeout=pause)
    try:
        return await told
    finally:
        writer.close()


async def _all(reader: asyncio.StreamReader) -> bytes:
    answer = b""
    with contextlib.suppress(ConnectionError):
        while chunk := await reader.read(65536):
            answer += chunk
    return answer


def statuses(answer: bytes) -> list[int]:
    """Return the statuses of the responses in what came back."""
    return [int(each[:3]) for each in answer.replace(b"HTTP/1.0 ", b"HTTP/1.1 ").split(b"HTTP/1.1 ")[1:]]
