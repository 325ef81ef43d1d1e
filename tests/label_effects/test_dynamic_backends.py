"""Every profile that labels can ask for is one that HAProxy 3.4 makes a backend from at run time, servers included."""

from pathlib import Path

import pytest
from binaries import haproxy_binary
from builders import service
from label_effects.edge import Origin, behind, edge, tasks_at
from label_effects.test_custom import allowed_lines

from models.service import TABLE
from models.snapshot import SwarmService
from render import records
from render.files import Rendered, RenderedBackend

EXAMPLES = {name: row.label.example for name, row in TABLE.items()}
HTTP = {"servicePath": "/web", "port": "8080"}
TCP = {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}
NOT_ALONE = {
    *("replicas", "reqMode", "outboundHostname", "usersSecret", "usersPassEncrypted", "proxyInstanceName"),
    *("serviceCert", "verifyClientSsl", "sslVerifyCa", "redirectFromDomain"),
    *("network", "templateFePath", "templateBePath"),
}
"""Labels whose example needs more than itself, or leaves nothing in HAProxy."""


def of_one_label(name: str) -> SwarmService:
    """Return a service with the example of a label, of TCP if the label means something there only."""
    plain = TCP if name in {"srcPort", "timeoutClient", "clitcpka", "serviceGroup", "balanceGroup"} else HTTP
    return service("web", plain | {name: EXAMPLES[name]}, tasks=tasks_at(["127.0.0.1"]), vips=["127.0.0.1/8"])


@pytest.mark.haproxy
@pytest.mark.parametrize("name", sorted(EXAMPLES.keys() - NOT_ALONE))
async def test_backend_is_made_at_run_time(name: str, folder: Path) -> None:
    """HAProxy takes ``add backend`` and ``add server`` with all that the label brings."""
    async with edge(haproxy_binary("3.4"), folder, of_one_label(name)) as proxy:
        for count, backend in enumerate(proxy.rendered.backends.values()):
            made = f"made{count}"
            added = proxy.runtime(f"add backend {made} from {backend.profile} mode {backend.mode}")
            assert added == "New backend registered."
            for number, server in enumerate(backend.servers.values()):
                line = f"add server {made}/s{number} {server.address}:{server.port} {server.options}"
                assert proxy.runtime(line) == "New server registered."
            assert proxy.runtime(f"publish backend {made}") == "Backend published."


@pytest.mark.haproxy
@pytest.mark.parametrize("mode", ["http", "tcp"])
async def test_backends_with_raw_lines_are_made_and_used_at_run_time(mode: str, folder: Path, origin: Origin) -> None:
    """With whatever line is allowed, HAProxy goes on; what it cannot make takes a reload."""
    lines = allowed_lines(mode)
    services = [
        behind(
            origin,
            {"backendExtra": line} | (TCP | {"srcPort": str(7000 + number)} if mode == "tcp" else {}),
            name=f"s{number}",
        )
        for number, line in enumerate(lines)
    ]
    static = ("balance static-rr",)
    async with edge(haproxy_binary("3.4"), folder, *services) as proxy:
        for number, backend in enumerate(backend_of(proxy.rendered, f"s{number}") for number in range(len(lines))):
            added = proxy.runtime(f"add backend made{number} from {backend.profile} mode {backend.mode}")
            assert added.startswith("New backend registered"), lines[number]
            assert added.endswith("registered.") == (lines[number] not in static), (lines[number], added)
            if lines[number] not in static:
                server = f"add server made{number}/s 127.0.0.1:{origin.port}"
                assert proxy.runtime(server) == "New server registered."
            assert proxy.runtime(f"publish backend made{number}") == "Backend published."
            if mode == "http":
                proxy.runtime(f"set map {records.PREFIXES} /s{number} made{number}")
                await proxy.ask(f"/s{number}")
                proxy.runtime(f"set map {records.PREFIXES} /s{number} nobody")
            proxy.runtime(f"set server made{number}/s state maint")
            proxy.runtime(f"unpublish backend made{number}")
            proxy.runtime(f"del server made{number}/s")
            proxy.runtime(f"del backend made{number}")
        assert proxy.runtime("show info").startswith("Name: HAProxy")


def backend_of(rendered: Rendered, service_name: str) -> RenderedBackend:
    """Return the one backend of a service."""
    (found,) = (each for name, each in rendered.backends.items() if name.startswith(f"{service_name}-be"))
    return found
