"""Connections that were made before a reload that shares a port, or ends that, and say what they want after it."""

import asyncio
import socket
import ssl
from collections.abc import Iterator
from pathlib import Path

import pytest
from builders import service
from tls.authorities import Authority
from tls.clients import context
from tls.files import HERE, RELOAD, Files
from tls.servers import secure_server

from controller.changes import Plan
from controller.haproxy.dataplane import HAProxyDataplane
from models.snapshot import SwarmService

NAME = "one.example.com"


@pytest.fixture
def one(authority: Authority, folder: Path) -> Iterator[int]:
    """A server that ends TLS itself."""
    with secure_server(authority.issue(NAME), folder / "one") as port:
        yield port


@pytest.fixture
def files(dataplane: HAProxyDataplane, authority: Authority) -> Files:
    """Makes the files of worlds, for few connections."""
    return Files(dataplane, authority, maxconn=20)


def passing(files: Files, port: int) -> SwarmService:
    """Return a service that ends TLS itself."""
    labels = {"reqMode": "sni", "serviceDomain": NAME, "srcPort": str(files.https), "port": str(port)}
    return service("one", labels, vips=["127.0.0.1/8"])


def answered(opened: socket.socket, name: str) -> bytes:
    """Shake hands over a connection, send a request, and return the status."""
    with context().wrap_socket(opened, server_hostname=name) as tls:
        tls.sendall(f"GET /web HTTP/1.1\r\nHost: {name}\r\nConnection: close\r\n\r\n".encode())
        return tls.recv(100).split()[1]


async def test_nobody_is_lost_between_two_workers(
    dataplane: HAProxyDataplane, files: Files, authority: Authority, one: int, folder: Path
) -> None:
    """Whoever accepted a connection knows what to do with it, and where to hand it over."""
    with secure_server(authority.issue("web.example.com"), folder / "web") as port:
        web = service("web", {"servicePath": "/web", "port": str(port), "sslVerifyNone": "true"}, vips=["127.0.0.1/8"])
        without, shared = files.of(web), files.of(web, passing(files, one))

        def connect() -> socket.socket:
            return socket.create_connection((HERE, files.https), timeout=10)

        async def ask(opened: socket.socket, name: str) -> bytes:
            return await asyncio.to_thread(answered, opened, name)

        await dataplane.apply(Plan(start=True), without)
        early = connect()
        await dataplane.apply(RELOAD, shared)
        assert await ask(early, "web.example.com") == b"200"
        assert await ask(connect(), "web.example.com") == b"200"

        for_web, for_one = connect(), connect()
        await dataplane.apply(RELOAD, without)
        assert await ask(for_web, "web.example.com") == b"200"
        assert await ask(for_one, NAME) == b"200"
        assert await ask(connect(), "web.example.com") == b"200"


def hello(name: str) -> bytes:
    """Return the first message of a TLS client."""
    outgoing = ssl.MemoryBIO()
    tls = context().wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def test_what_is_handed_over_never_uses_up_what_it_needs(dataplane: HAProxyDataplane, files: Files) -> None:
    """More clients at once as there may be connections: all of them are answered."""
    await dataplane.apply(Plan(start=True), files.of(passing(files, 1)))
    message = hello("web.example.com")

    async def first_byte() -> bytes:
        reader, writer = await asyncio.open_connection(HERE, files.https)
        writer.write(message)
        try:
            return await reader.read(1)
        finally:
            writer.close()

    async with asyncio.timeout(60):
        answers = await asyncio.gather(*(first_byte() for _ in range(50)))
    assert set(answers) == {b"\x16"}
