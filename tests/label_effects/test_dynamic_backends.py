"""Every profile that labels can ask for is one that HAProxy 3.4 makes a backend from at run time, servers included."""

from pathlib import Path

import pytest
from binaries import haproxy_binary
from builders import service
from label_effects.edge import edge, tasks_at

from models.service import TABLE
from models.snapshot import SwarmService

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
