"""The servers behind the proxies of a lifetime: each tells where it is, and what it got."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

from fakes.connections import serving
from tls.authorities import fixed_certificate

ORIGIN = "X-Origin"
"""The header in which a server says its address and port."""


async def _serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer the requests of one connection with their own heads."""
    address, port = writer.get_extra_info("sockname")[:2]
    head = b""
    while b"Connection: close" not in head:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = (
            "HTTP/1.1 200 OK",
            f"{ORIGIN}: {address}:{port}",
            "Server: origin",
            "X-Powered-By: origin",
            f"Content-Length: {len(head)}",
        )
        writer.write("\r\n".join((*lines, "", "")).encode() + head)
        await writer.drain()


@contextlib.asynccontextmanager
async def origins(addresses: Iterable[str], *, plain: Iterable[int], secure: int, folder: Path) -> AsyncIterator[None]:
    """Run servers on all addresses until the end of the block, by HTTP on some ports, by TLS on another one."""
    hosts = [*addresses]
    (folder / "origin.pem").write_text(fixed_certificate("origin.test"))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "origin.pem")
    async with contextlib.AsyncExitStack() as stack:
        for port in plain:
            await stack.enter_async_context(serving(_serve, hosts, port, backlog=256))
        await stack.enter_async_context(serving(_serve, hosts, secure, tls=tls))
        yield
