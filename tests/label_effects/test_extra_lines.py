"""What the operator's own lines do."""

from pathlib import Path

from label_effects.edge import Origin, behind, edge

from models.settings import ProxySettings


async def test_extra_frontend(binary: Path, folder: Path, origin: Origin) -> None:
    """Lines are about all requests, and rules come before those of labels; without them, nothing of it happens."""
    lines = "acl bad hdr(User-Agent) -m sub evil,http-request deny deny_status 410 if bad,"
    lines += f"use_backend other-be{origin.port}_0 if {{ path /web/other }}"
    services = behind(origin), behind(origin, name="other")
    for settings, status, backend in (
        (ProxySettings(extra_frontend=lines), 410, "other"),
        (ProxySettings(), 200, "web"),
    ):
        async with edge(binary, folder, *services, settings=settings) as proxy:
            assert (await proxy.ask("/web", "User-Agent: evil")).status == status
            assert (await proxy.ask("/web/other")).backend == f"{backend}-be{origin.port}_0"
            assert (await proxy.ask("/web")).backend == f"web-be{origin.port}_0"


async def test_extra_global(binary: Path, folder: Path, origin: Origin) -> None:
    """HAProxy calls itself what it is told to."""
    settings = ProxySettings(extra_global="node proxy-{{ PORT }}")
    async with edge(binary, folder, behind(origin), settings=settings) as proxy:
        assert "node: proxy-8080" in proxy.runtime("show info").splitlines()
    async with edge(binary, folder, behind(origin)) as proxy:
        assert "node: proxy-8080" not in proxy.runtime("show info").splitlines()
