"""What is said for all services holds for those that do not say otherwise."""

from pathlib import Path

from label_effects.edge import Origin, behind, edge
from traffic import request_bytes

from models.settings import ProxySettings

GZIP = "Accept-Encoding: gzip"


async def test_https_only_and_domains(binary: Path, folder: Path, origin: Origin) -> None:
    """Requests by HTTP are redirected, and domains compared as said; a service and a destination may opt out."""
    settings = ProxySettings(https_only="true", service_domain_algo="hdr_beg(host)")
    services = (
        behind(origin, {"serviceDomain": "web.test,*.wild.test"}),
        behind(origin, {"serviceDomain": "web.test", "serviceDomainAlgo": "hdr(host)", "httpsOnly": "0"}, name="own"),
        behind(origin, {"servicePath.1": "/one", "httpsOnly.1": "false", "servicePath.2": "/two"}, name="some"),
    )
    async with edge(binary, folder, *services, settings=settings) as proxy:
        assert (await proxy.ask("/web")).headers["location"] == "https://web.test/web"
        assert (await proxy.ask("/web", tls=True)).status == 200
        assert (await proxy.ask("/web", host="web.test.example", tls=True)).status == 200
        assert (await proxy.ask("/web", host="a.wild.test:443", tls=True)).status == 200
        assert (await proxy.ask("/web", host="a.wild.test.example", tls=True)).status == 503
        assert (await proxy.ask("/own")).status == 200
        assert (await proxy.ask("/own", host="web.test.example")).status == 503
        assert (await proxy.ask("/one")).status == 200
        assert (await proxy.ask("/two")).status == 302


async def test_connections_compression_and_mode(binary: Path, folder: Path, origin: Origin) -> None:
    """Services that say nothing pass a port through; those about requests have their connections as said."""
    settings = ProxySettings(
        default_req_mode="tcp", connection_mode="forceclose", compression_algo="gzip", compression_type="text/plain"
    )
    own = {"connectionMode": "http-keep-alive", "compressionAlgo": "identity"}
    services = (
        behind(origin, {"reqMode": "http"}),
        behind(origin, {"reqMode": "http"} | own, name="own"),
        behind(origin, {"srcPort": "6379", "servicePath": ""}, name="cache"),
    )
    async with edge(binary, folder, *services, settings=settings) as proxy:
        (closed,) = await proxy.talk(request_bytes("/web", "web.test", GZIP))
        assert (closed.headers["connection"], closed.headers["content-encoding"]) == ("close", "gzip")
        kept = await proxy.talk(*[request_bytes("/own", "web.test", GZIP)] * 2)
        assert [answer.headers.get("connection") for answer in kept] == [None, None]
        assert [answer.headers.get("content-encoding") for answer in kept] == [None, None]
        assert kept[0].headers["x-connection"] == kept[1].headers["x-connection"]
        assert (await proxy.tcp(6379, b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")).startswith(b"HTTP/1.1 200")
