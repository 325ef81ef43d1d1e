"""A real HAProxy on loopback, started from rendered files, and plain HTTP requests to it as bytes.

The rendered text is changed in three ways only: the port becomes a socket that is open before HAProxy starts, so that
no port can be taken and nobody has to wait; unix sockets are in the folder of the test; and the ``services`` frontend
tells in each response which backend it chose.
"""

import asyncio
import contextlib
import re
import socket
import subprocess
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from builders import MACHINE
from fakes.connections import serving

from render.files import CONFIG_FILE, Rendered

TELL_BACKEND = "    http-after-response set-header X-Backend %[be_name]\n"
_BIND = re.compile(r"^    bind \*:\d+", re.MULTILINE)
LIMIT = 60.0
"""Seconds that all requests of a test may take, on a busy machine."""
Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], AbstractAsyncContextManager[Stream]]
"""Opens a connection, and closes it at the end of the block."""
UNROUTED = "services"
"""What is told as the backend of a request that no route is for: the frontend itself."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP response; header names are in lower case."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def backend(self) -> str | None:
        """The backend that was chosen, None if no route was found."""
        told = self.headers.get("x-backend")
        return None if told in (None, UNROUTED) else told


@contextlib.contextmanager
def listening() -> Iterator[socket.socket]:
    """Open a listening socket on a free port of loopback."""
    with socket.socket() as opened:
        opened.bind(("127.0.0.1", 0))
        opened.listen(128)
        yield opened


@contextlib.contextmanager
def running_haproxy(binary: Path, rendered: Rendered, folder: Path) -> Iterator[int]:
    """Run HAProxy from rendered files until the end of the block; yields the port of its HTTP frontend."""
    with listening() as opened:
        config = re.sub(
            r"^    bind \*:\d+", f"    bind fd@{opened.fileno()}", rendered.config, count=1, flags=re.MULTILINE
        )
        config = config.replace("    use_backend ", f"{TELL_BACKEND}    use_backend ", 1)
        config = config.replace(str(Path(MACHINE.runtime_socket).parent), str(folder))
        for name, content in {**rendered.files(), CONFIG_FILE: config.encode()}.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        output = folder / "output.txt"
        with output.open("wb") as stream:
            process = subprocess.Popen(
                [binary, "-db", "-f", folder / CONFIG_FILE],
                stdout=stream,
                stderr=stream,
                pass_fds=[opened.fileno()],
            )
        try:
            yield opened.getsockname()[1]
        except TimeoutError as error:
            error.add_note(output.read_text(errors="replace"))
            raise
        finally:
            process.kill()
            process.wait()


def request_bytes(path: str, host: str | None, *headers: str, method: str = "GET") -> bytes:
    """Return a request as bytes, whatever is in it."""
    lines = [f"{method} {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *headers, "", ""]
    return "\r\n".join(lines).encode()


async def ask(at: int | Connect, requests: Iterable[bytes]) -> list[Answer]:
    """Send requests one after the other, over as few connections as HAProxy allows, and return the answers.

    They are sent to a port of loopback, or over what connects.
    """
    connect = partial(_connected, at) if isinstance(at, int) else at
    answers: list[Answer] = []
    async with asyncio.timeout(LIMIT), contextlib.AsyncExitStack() as stack:
        connection = None
        for request in requests:
            connection = connection or await stack.enter_async_context(connect())
            reader, writer = connection
            writer.write(request)
            answers.append(await _answer(reader))
            if answers[-1].headers.get("connection") == "close":
                await stack.aclose()
                connection = None
    return answers


@contextlib.asynccontextmanager
async def _connected(port: int) -> AsyncIterator[Stream]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with closing(writer):
        yield reader, writer


@contextlib.asynccontextmanager
async def closing(writer: asyncio.StreamWriter) -> AsyncIterator[None]:
    """Close a connection at the end of the block, whatever the other side has done by then."""
    try:
        yield
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(head[0].split()[1]), headers, body)


@contextlib.asynccontextmanager
async def echo_server() -> AsyncIterator[int]:
    """Run an HTTP server that answers with the request line it was sent; yields its port."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while head := await reader.readuntil(b"\r\n\r\n"):
            body = head.partition(b"\r\n")[0]
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))

    async with serving(echo) as port:
        yield port
