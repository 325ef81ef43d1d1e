"""A client of HAProxy's command line sockets (Management guide 9.3), the worker's and the master's.

On the worker's socket one connection carries many commands, in prompt mode: HAProxy ends each answer with a
line end and ``> ``, so commands are sent all at once and the answers told apart. The master's prompt is another one
and the master takes few commands, so there each has its own connection.
"""

import asyncio
import re
import socket
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from controller.errors import TemporaryError
from controller.haproxy.commands import Command

DEFAULT_LIMIT = 5.0
"""Seconds that HAProxy may stay silent while an answer is due."""

_PROMPT = b"\n> "
_PAYLOAD_PROMPTS = re.compile(r"^(?:\+ )+")
_END = b"\n\n"
"""Without a prompt, an empty line ends an answer."""
_CHUNK = 1 << 18
_PIECE = 1 << 16
"""Bytes, more than HAProxy sends at once; memory for larger ones is got from the kernel, and given back, each time."""


class NoListenerError(TemporaryError):
    """Nobody listens on a socket: HAProxy does not run, or not yet, or not any more."""


class Session:
    """An open connection to the worker's socket; use `session` to get one.

    ``changes`` is how many commands were sent that change something.
    """

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, limit: float) -> None:
        self._reader = reader
        self._writer = writer
        self._limit = limit
        self._rest = b""
        self.changes = 0

    async def execute(self, commands: Sequence[Command]) -> list[str]:
        """Send all commands and return their answers, in order, without the line ends around them.

        Raises:
            TemporaryError: HAProxy stays silent for longer than the limit, or hangs up.
        """
        if not commands:
            return []
        self.changes += sum(not command.reads for command in commands)
        self._writer.write(b"".join(map(_wire, commands)))
        return list(map(_text, await self._answers(len(commands))))

    async def ask(self, *texts: str) -> list[str]:
        """Send commands that only read, and return their answers; see `execute`."""
        return await self.execute([Command(text, reads=True) for text in texts])

    async def _answers(self, count: int) -> list[bytes]:
        answers: list[bytes] = []
        parts, end = [self._rest], self._rest
        while len(answers) < count:
            chunk = await self._chunk()
            parts.append(chunk)
            end = end[1 - len(_PROMPT) :] + chunk
            if _PROMPT not in end:
                continue  # An answer may be megabytes long: its parts are put together once.
            *whole, end = b"".join(parts).split(_PROMPT)
            answers += whole
            parts = [end]
        self._rest = end
        if len(answers) > count:
            raise TemporaryError("HAProxy answered more on its runtime socket than it was asked")
        return answers

    async def _chunk(self) -> bytes:
        try:
            async with asyncio.timeout(self._limit):
                chunk = await self._reader.read(_CHUNK)
        except TimeoutError as error:
            raise TemporaryError(f"HAProxy did not answer on its runtime socket within {self._limit:g} s") from error
        except OSError as error:
            raise TemporaryError(f"HAProxy hung up on its runtime socket: {error}") from error
        if not chunk:
            raise TemporaryError("HAProxy hung up on its runtime socket")
        return chunk


@asynccontextmanager
async def session(path: Path, *, limit: float = DEFAULT_LIMIT) -> AsyncIterator[Session]:
    """Connect to the worker's runtime socket for as long as the block runs.

    Raises:
        NoListenerError: nobody listens there.
    """
    async with _connection(path, limit=limit) as (reader, writer):
        opened = Session(reader, writer, limit=limit)
        await opened.ask("prompt")
        yield opened


async def ask_master(path: Path, command: str, *, limit: float = DEFAULT_LIMIT) -> str:
    """Return the master's answer to one command (Management guide 9.4).

    Raises:
        NoListenerError: nobody listens there.
        TemporaryError: the answer is not complete within ``limit`` seconds.
    """
    async with _connection(path, limit=limit) as (reader, writer):
        try:
            async with asyncio.timeout(limit):
                writer.write(f"{command}\n".encode())
                writer.write_eof()
                answer = await reader.read()
        except TimeoutError as error:
            raise TemporaryError(f"HAProxy's master did not answer {command!r} within {limit:g} s") from error
        except OSError as error:
            raise TemporaryError(f"HAProxy's master hung up on {command!r}: {error}") from error
    return answer.decode(errors="surrogateescape")


def read_all(path: Path, command: str, *, limit: float) -> str:
    """Return the worker's answer to a command that only reads; it blocks, so it is to run in a thread.

    An answer of megabytes comes in hundreds of pieces, and to wake the event loop for each costs more than the rest.

    Raises:
        TemporaryError: HAProxy stays silent for longer than ``limit`` seconds, or hangs up before the end.
    """
    answer = bytearray()
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(limit)
            connection.connect(str(path))
            connection.sendall(f"{command}\n".encode())
            while part := connection.recv(_PIECE):
                answer += part
    except OSError as error:
        raise TemporaryError(f"HAProxy does not answer {command!r} on its runtime socket: {error}") from error
    if not answer.endswith(_END):
        raise TemporaryError(f"HAProxy hung up on its runtime socket before the end of {command!r}")
    del answer[-len(_END) :]
    return answer.decode(errors="surrogateescape")


@asynccontextmanager
async def _connection(path: Path, *, limit: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    try:
        async with asyncio.timeout(limit):
            reader, writer = await asyncio.open_unix_connection(path, limit=_CHUNK)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NoListenerError(f"No HAProxy listens on {path}") from error
    except (TimeoutError, OSError) as error:
        raise TemporaryError(f"Cannot connect to HAProxy's socket {path}: {error}") from error
    try:
        yield reader, writer
    finally:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()


def _wire(command: Command) -> bytes:
    payload = "" if command.payload is None else f"{command.payload}\n\n"
    return f"{command.text}\n{payload}".encode(errors="surrogateescape")


def _text(answer: bytes) -> str:
    """Return an answer without the ``+ `` with which HAProxy up to 3.2 asks for each line of a payload."""
    return _PAYLOAD_PROMPTS.sub("", answer.decode(errors="surrogateescape"), count=1).strip("\n")
