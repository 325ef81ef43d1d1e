"""Requests of a lifetime, and what is told by their answers: who answered, and what was changed on the way."""

import asyncio
import base64
import contextlib
import hashlib
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache

from lifetime.origins import ORIGIN
from tls.clients import context

LIMIT = 20.0
"""Seconds that one answer may take, on a busy machine."""
NO_ANSWER = 0
"""The status of a connection that was closed without an answer."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request over a connection of its own, by TLS for the name ``host`` if ``secure``.

    ``place`` is where the client is: the second number of its address.
    """

    port: int
    path: str = "/"
    host: str = "x.com"
    method: str = "GET"
    headers: tuple[str, ...] = ()
    place: int = 1
    secure: bool = False

    def __str__(self) -> str:
        scheme = "tls" if self.secure else "http"
        more = "".join(f" [{header}]" for header in self.headers)
        return f"{self.method} {scheme}://{self.host}:{self.port}{self.path} from 127.{self.place}{more}"

    def header(self, name: str) -> str:
        """Return the value of a header that the client sends; empty if it does not."""
        sent = (header.partition(": ") for header in self.headers)
        return next((value for key, _, value in sent if key == name), "")

    @property
    def encoded(self) -> bytes:
        """The request as bytes."""
        lines = (f"{self.method} {self.path} HTTP/1.1", f"Host: {self.host}", *self.headers, "Connection: close")
        return "\r\n".join((*lines, "", "")).encode()


def login(user: str, password: str) -> str:
    """Return the header by which somebody logs in."""
    return f"Authorization: Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; header names are in lower case.

    ``certificate`` is the digest of the one that was shown; ``origin`` is the server that answered, and ``seen`` has
    the headers that it got, with ``:path``.
    """

    status: int
    headers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificate: str | None = None
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def origin(self) -> str | None:
        """The address and port of the server that answered; None if it was the proxy itself."""
        return self.headers.get(ORIGIN.lower(), (None,))[0]

    @property
    def backend(self) -> str | None:
        """The backend that the proxy chose, or its frontend if it chose none; None if no HTTP was understood."""
        return self.headers.get("x-backend", (None,))[0]

    @property
    def comparable(self) -> tuple[object, ...]:
        """All of it but what chance decides: the server, and the cookie that leads back to it."""
        told = {name: values for name, values in self.headers.items() if name not in {ORIGIN.lower(), "set-cookie"}}
        cookies = tuple(value.partition("=")[0] for value in self.headers.get("set-cookie", ()))
        return (
            self.status,
            self.origin is None,
            self.certificate,
            cookies,
            sorted(told.items()),
            sorted(self.seen.items()),
        )


@cache
def _client() -> ssl.SSLContext:
    return context()


async def ask(request: Request, proxy: str, client: str) -> Answer:
    """Send a request to the proxy at an address, from another address."""
    async with asyncio.timeout(LIMIT):
        try:
            reader, writer = await asyncio.open_connection(
                proxy,
                request.port,
                local_addr=(client, 0),
                ssl=_client() if request.secure else None,
                server_hostname=request.host if request.secure else None,
            )
        except (OSError, ssl.SSLError):
            return Answer(NO_ANSWER)
        certificate = _shown(writer) if request.secure else None
        try:
            writer.write(request.encoded)
            answer = await reader.read()
        except (OSError, ssl.SSLError):
            answer = b""
        finally:
            writer.close()
            with contextlib.suppress(OSError, ssl.SSLError):
                await writer.wait_closed()
    return _read(answer, certificate)


def _shown(writer: asyncio.StreamWriter) -> str:
    """Return the digest of the certificate that the client was shown."""
    return hashlib.sha256(writer.get_extra_info("ssl_object").getpeercert(binary_form=True)).hexdigest()


def _read(answer: bytes, certificate: str | None) -> Answer:
    if not answer.startswith(b"HTTP/1"):
        return Answer(NO_ANSWER, certificate=certificate)
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = _headers(lines)
    seen: dict[str, tuple[str, ...]] = {}
    if ORIGIN.lower() in headers:
        got, *lines = body.decode("latin-1").rstrip("\r\n").split("\r\n")
        seen = _headers(lines) | {":path": (got.split(" ")[1],)}
    return Answer(int(first.split()[1]), headers, certificate, seen)


def _headers(lines: list[str]) -> dict[str, tuple[str, ...]]:
    headers: dict[str, tuple[str, ...]] = {}
    for line in lines:
        name, _, value = line.partition(":")
        headers[name.lower()] = (*headers.get(name.lower(), ()), value.strip())
    return headers
