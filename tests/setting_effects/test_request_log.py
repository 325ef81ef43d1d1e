"""What the variables about the log of requests do: lines on HAProxy's standard output."""

import asyncio
import re
from pathlib import Path

from label_effects.edge import Edge, Origin, behind, edge
from setting_effects.log import line_with, logged

from models.settings import ProxySettings

TCP = {"reqMode": "tcp", "srcPort": "6379", "servicePath": ""}
HTTP_OVER_TCP = b"GET /cache HTTP/1.1\r\nConnection: close\r\n\r\n"


async def asked_from_inside(proxy: Edge) -> str:
    """Return the answer to a request of the controller's."""
    reader, writer = await asyncio.open_unix_connection(proxy.folder / "internal.sock")
    writer.write(b"GET /inside HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    answer = await reader.read()
    writer.close()
    return answer.decode()


async def test_requests_and_connections_are_logged(binary: Path, folder: Path, origin: Origin) -> None:
    """In HAProxy's own formats, with the headers that are wanted; what the controller asks is not logged."""
    settings = ProxySettings(debug="true", capture_request_header="Host:3,X-Told:20")
    services = behind(origin), behind(origin, TCP, name="cache")
    async with edge(binary, folder, *services, settings=settings) as proxy:
        assert " 200 " in await asked_from_inside(proxy)
        assert await proxy.tcp(6379, HTTP_OVER_TCP)
        await proxy.ask("/web", "X-Told: a secret")
        await proxy.ask("/none")
        line = await line_with(proxy, "GET /web")
        assert re.match(r"192\.0\.2\.1:40000 \[.+\] services web-be\d+_0/web ", line)
        assert "{web|a secret}" in line
        assert " services/<NOSRV> " in await line_with(proxy, "GET /none")
        assert re.match(
            r"192\.0\.2\.1:40000 \[.+\] tcpFE_6379 cache-be\d+_0/cache ", await line_with(proxy, " cache-be")
        )
        assert not [line for line in logged(folder) if "/inside" in line]


async def test_nothing_is_logged_without_debug(binary: Path, folder: Path, origin: Origin) -> None:
    """Whatever the other variables say."""
    settings = ProxySettings(debug_http_format="%HU", debug_tcp_format="%b", capture_request_header="Host:9")
    services = behind(origin), behind(origin, TCP, name="cache")
    async with edge(binary, folder, *services, settings=settings) as proxy:
        assert (await proxy.ask()).status == 200
        assert await proxy.tcp(6379, HTTP_OVER_TCP)
    assert logged(folder) == []


async def test_formats_of_ones_own(binary: Path, folder: Path, origin: Origin) -> None:
    """One for requests and one for connections, as they are written."""
    settings = ProxySettings(debug="true", debug_http_format='{"was":"%HU"}', debug_tcp_format=r"%ci\ to\ %b")
    services = behind(origin), behind(origin, TCP, name="cache")
    async with edge(binary, folder, *services, settings=settings) as proxy:
        await proxy.ask("/web?a=b")
        assert await proxy.tcp(6379, HTTP_OVER_TCP)
        assert await line_with(proxy, '{"was":"/web?a=b"}') == '{"was":"/web?a=b"}'
        assert await line_with(proxy, " to ") == f"192.0.2.1 to cache-be{origin.port}_0"


async def test_errors_only(binary: Path, folder: Path, origin: Origin) -> None:
    """What went well is not logged; what did not, and answers with a status 5xx, are."""
    settings = ProxySettings(debug="true", debug_errors_only="true")
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        assert (await proxy.ask("/web/well")).status == 200
        assert (await proxy.ask("/web/fail")).status == 500
        await line_with(proxy, "/web/fail")
    assert not [line for line in logged(folder) if "/web/well" in line]
