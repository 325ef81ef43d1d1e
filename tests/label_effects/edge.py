"""A real HAProxy in front of a real server, both on loopback, to see what a label does to requests.

The rendered text is changed in one way only (beside what `traffic` does): listening sockets in the temporary folder are
added, so that a test can come by TLS, come from any address (PROXY protocol), or reach a TCP frontend.
"""

import asyncio
import contextlib
import re
import socket
import ssl
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from ipaddress import ip_network
from pathlib import Path

from builders import MACHINE, service, snapshot
from fakes.connections import serving
from tls.authorities import Authority
from traffic import Answer, request_bytes, running_haproxy

from controller.desired import build_desired
from controller.endpoints import Surroundings
from controller.judging import judge
from controller.templates import TemplateFile
from models.machine import Machine
from models.settings import ProxySettings
from models.snapshot import SwarmService, Task
from render.configuration import render
from render.files import Rendered

HERE = Surroundings(networks=(ip_network("127.0.0.0/8"),))
"""A proxy that is attached to the network of its own machine."""


@dataclass
class Origin:
    """An HTTP server that answers with the head of the request that it got; ``heads`` are all of them.

    Each answer says how many connections there have been (``X-Connection``). A path with ``slow`` in it is answered
    after a second, one with ``fail`` with 500. ``tls`` makes it speak TLS, with a certificate that nobody knows.
    """

    name: str = "origin"
    tls: ssl.SSLContext | None = None
    answer_headers: tuple[str, ...] = ("Server: origin", "Content-Type: text/plain")
    heads: list[str] = field(default_factory=list)
    connections: int = 0
    port: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer the requests of one connection."""
        self.connections += 1
        number = self.connections
        head = ""
        while "connection: close" not in head.lower():
            head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            self.heads.append(head)
            writer.write(await self._answer(head, number))

    async def _answer(self, head: str, number: int) -> bytes:
        path = head.split(" ")[1]
        await asyncio.sleep(1.5 if "slow" in path else 0)
        lines = [
            f"HTTP/1.1 {500 if 'fail' in path else 200} Told",
            f"X-Connection: {number}",
            f"X-Origin: {self.name}",
            *self.answer_headers,
            f"Content-Length: {len(head)}",
        ]
        return "\r\n".join([*lines, "", head]).encode("latin-1")

    @property
    def server(self) -> str:
        """Where it listens, as a Swarm task would have it."""
        return f"127.0.0.1:{self.port}"

    def got(self) -> dict[str, list[str]]:
        """Return the headers of the last request, names in lower case, and under ``:path`` its path."""
        first, *lines = self.heads[-1].rstrip("\r\n").split("\r\n")
        headers: dict[str, list[str]] = {":path": [first.split(" ")[1]], ":method": [first.split(" ")[0]]}
        for line in lines:
            name, _, value = line.partition(":")
            headers.setdefault(name.lower(), []).append(value.strip())
        return headers


@contextlib.asynccontextmanager
async def running(*origins: Origin, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[None]:
    """Run origins until the end of the block."""
    async with contextlib.AsyncExitStack() as stack:
        for origin in origins:
            origin.port = await stack.enter_async_context(serving(origin.serve, host, port, tls=origin.tls))
        yield


@dataclass(frozen=True)
class Edge:
    """A running HAProxy."""

    folder: Path
    port: int
    rendered: Rendered

    async def ask(
        self,
        path: str = "/web",
        *headers: str,
        host: str | None = "web.test",
        method: str = "GET",
        client: str | None = None,
        tls: bool = False,
    ) -> Answer:
        """Send one request, if wanted by TLS or from a client's address."""
        return (await self.talk(request_bytes(path, host, *headers, method=method), client=client, tls=tls))[0]

    async def talk(self, *requests: bytes, client: str | None = None, tls: bool = False) -> list[Answer]:
        """Send requests over one connection and return the answers."""
        if tls:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            opened = asyncio.open_unix_connection(self.folder / "tls.sock", ssl=context, server_hostname="proxy.test")
        else:
            opened = asyncio.open_unix_connection(self.folder / "from.sock")
        reader, writer = await opened
        if not tls:
            writer.write(b"PROXY TCP%d %s %s 40000 80\r\n" % _addresses(client or "192.0.2.1"))
        try:
            return [await _answered(reader, writer, request) for request in requests]
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError):
                await writer.wait_closed()

    async def tcp(self, number: int, text: bytes, *, client: str = "192.0.2.1") -> bytes:
        """Send text to a TCP frontend and return what comes back until the end; empty if it hangs up."""
        reader, writer = await asyncio.open_unix_connection(self.folder / f"tcp{number}.sock")
        try:
            writer.write(b"PROXY TCP%d %s %s 40000 80\r\n" % _addresses(client) + text)
            return await reader.read()
        except ConnectionError:
            return b""
        finally:
            writer.close()

    def runtime(self, command: str) -> str:
        """Say a command on the runtime socket and return the answer."""
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(self.folder / Path(MACHINE.runtime_socket).name))
            opened.sendall(f"{command}\n".encode())
            opened.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: opened.recv(65536), b"")).decode().strip()


def _addresses(client: str) -> tuple[int, bytes, bytes]:
    return (6, client.encode(), b"::1") if ":" in client else (4, client.encode(), b"127.0.0.1")


async def _answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: bytes) -> Answer:
    writer.write(request)
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    headers: dict[str, str] = {}
    for line in filter(None, head[1:]):
        name, _, value = line.partition(":")
        headers[name.lower()] = (
            f"{headers[name.lower()]}, {value.strip()}" if name.lower() in headers else value.strip()
        )
    is_empty = request.startswith(b"HEAD ")
    body = b"" if is_empty else await _body(reader, headers)
    return Answer(int(head[0].split()[1]), headers, body)


async def _body(reader: asyncio.StreamReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding") != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    body = b""
    while size := int(await reader.readline(), 16):
        body += (await reader.readexactly(size + 2))[:-2]
    await reader.readline()
    return body


@contextlib.asynccontextmanager
async def edge(
    binary: Path,
    folder: Path,
    *services: SwarmService,
    settings: ProxySettings | None = None,
    templates: Mapping[str, str] | None = None,
    machine: Machine = MACHINE,
) -> AsyncIterator[Edge]:
    """Run HAProxy for services, all of which must be acceptable; ``templates`` are files of the operator."""
    settings = settings or ProxySettings()
    judged = judge(snapshot(*services), settings, forms={}, rejected={})
    files = {name: TemplateFile(text) for name, text in (templates or {}).items()}
    desired = build_desired(judged, settings, replace(HERE, templates=files))
    wrong = [fact.message for facts in desired.conditions.values() for fact in facts if fact.status != "True"]
    assert not wrong
    rendered = render(desired, settings, machine)
    changed = _with_sockets(rendered, folder)
    with running_haproxy(binary, changed, folder) as port:
        for path in re.findall(r"bind unix@(\S+)", changed.config):
            await _until_open(Path(path.replace(str(Path(MACHINE.runtime_socket).parent), str(folder))))
        yield Edge(folder, port, rendered)


def _with_sockets(rendered: Rendered, folder: Path) -> Rendered:
    crt = certificate(folder)
    more = f"    bind unix@{folder}/from.sock accept-proxy\n    bind unix@{folder}/tls.sock ssl crt {crt}\n"
    config = re.sub(
        r"(?<=mode tcp\n)    bind \*:(\d+)", rf"    bind unix@{folder}/tcp\1.sock accept-proxy", rendered.config
    )
    first = config.index("    bind *:")
    return replace(rendered, config=f"{config[:first]}{_first_bind(config[first:], more)}")


def _first_bind(rest: str, more: str) -> str:
    line, _, following = rest.partition("\n")
    return f"{line}\n{more}{following}"


async def _until_open(path: Path) -> None:
    """Wait until a socket that HAProxy makes is there, and somebody listens on it."""
    for _ in range(500):
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(path))
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"{path} was not opened")


def certificate(folder: Path) -> Path:
    """Write a certificate with its key into a folder, and return the file."""
    path = folder / "own.pem"
    path.write_text(_issued())
    return path


@cache
def _issued() -> str:
    return Authority.new().issue("proxy.test").pem


def server_tls(folder: Path) -> ssl.SSLContext:
    """Return a context for an origin that speaks TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(folder))
    return context


def behind(origin: Origin, labels: dict[str, str] | None = None, *, name: str = "web") -> SwarmService:
    """Return a service that is served by an origin, at ``/<name>`` unless its labels say otherwise."""
    plain = {"servicePath": f"/{name}", "port": str(origin.port)}
    return service(name, plain | (labels or {}), vips=["127.0.0.1/8"])


def tasks_at(addresses: Iterable[str]) -> tuple[Task, ...]:
    """Return running tasks at addresses."""
    return tuple(
        Task(id=f"task{slot}", slot=slot, addresses=(f"{address}/8",))
        for slot, address in enumerate(addresses, start=1)
    )


def lines_of(rendered: Rendered, words: str) -> Iterator[str]:
    """Return the lines of a configuration that hold some words, without blanks around."""
    return (line.strip() for line in rendered.config.splitlines() if words in line)
