"""What the variables about ports, TLS and the statistics page do."""

import asyncio
import base64
import socket
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import ANY

import pytest
from haproxy.loopback import free_port
from label_effects.edge import Origin, behind, edge, running, server_tls
from traffic import ask, request_bytes

from models.settings import ProxySettings

LOGIN = f"Authorization: Basic {base64.b64encode(b'ann:secret').decode()}"


async def test_statistics_on_a_port_of_their_own(binary: Path, folder: Path, origin: Origin) -> None:
    """There they are, for those who may see them, and nowhere else."""
    port = free_port()
    settings = ProxySettings(stats_user="ann", stats_pass="secret", stats_port=port)
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        requests = [
            request_bytes("/admin?stats;csv", "x", *headers) for headers in ([LOGIN, "Connection: close"], [LOGIN], [])
        ]
        assert (await ask(proxy.port, requests[1:2]))[0].status == 503
        assert (await ask(port, [request_bytes("/web", "x")]))[0].status == 503
        assert (await ask(port, requests[2:]))[0].status == 401
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(requests[0])
        assert b"services,FRONTEND" in await reader.read()
        writer.close()


@pytest.mark.parametrize("stats_port", [None, 80])
async def test_statistics_on_the_ports_of_all(
    binary: Path, folder: Path, origin: Origin, stats_port: int | None
) -> None:
    """Without a port of their own, or with one that services have too; nobody is asked for the password ``none``."""
    settings = ProxySettings(stats_user="ann", stats_pass="NONE", stats_port=stats_port, stats_uri="/told")
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        assert (await proxy.ask("/web")).status == 200
        reader, writer = await asyncio.open_connection("127.0.0.1", proxy.port)
        writer.write(request_bytes("/told;csv", "x", "Connection: close"))
        assert b"services,FRONTEND" in await reader.read()
        writer.close()


async def test_options_of_a_port(binary: Path, folder: Path, origin: Origin) -> None:
    """They are HAProxy's: this one bounds the size of segments, as the client's kernel is told."""
    bound, free = free_port(), free_port()
    settings = ProxySettings(bind_ports=f"{bound} mss 1000 backlog 50,{free}")
    async with edge(binary, folder, behind(origin), settings=settings):
        sizes = []
        for port in (bound, free):
            with socket.create_connection(("127.0.0.1", port)) as opened:
                sizes.append(opened.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG))
    assert sizes[0] <= 1000 < sizes[1]


@dataclass
class TlsOrigin(Origin):
    """An origin by TLS that remembers how it was spoken to: the version, and the cipher."""

    spoken: tuple[str, str] = ("", "")

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        spoken = writer.get_extra_info("ssl_object")
        self.spoken = (spoken.version(), spoken.cipher()[0])
        await super().serve(reader, writer)


async def test_services_by_tls_follow_what_is_said_for_clients(binary: Path, folder: Path) -> None:
    """If it is said; our own default is for clients only."""
    cipher = "ECDHE-ECDSA-CHACHA20-POLY1305"
    said = ProxySettings(ssl_bind_options="prefer-client-ciphers ssl-max-ver TLSv1.2", ssl_bind_ciphers=cipher)
    async with running(origin := TlsOrigin(tls=server_tls(folder))):
        service = behind(origin, {"sslVerifyNone": "true"})
        for settings, spoken in ((said, ("TLSv1.2", cipher)), (ProxySettings(), ("TLSv1.3", ANY))):
            async with edge(binary, folder, service, settings=settings) as proxy:
                assert (await proxy.ask()).status == 200
            assert origin.spoken == spoken
