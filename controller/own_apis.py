"""Which addresses and ports the APIs of Swarmgate itself are at: no label may have the proxy send requests there.

What comes from the proxy is believed where it is known by its address, and an API may listen on loopback only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from controller.endpoints import OwnApis
from controller.listener_address import LISTENER_PORTS, listener_url
from controller.resolving import HostResolver
from models.settings import ProxySettings


@dataclass(frozen=True, slots=True)
class ApiNames:
    """The APIs of this proxy, of its other replicas and of its listeners; each is a host name with a port."""

    port: int
    names: frozenset[tuple[str, int]]

    @classmethod
    def of(cls, settings: ProxySettings) -> "ApiNames":
        """Return the names under these settings."""
        swarm_names = _both_names(settings.service_name) if settings.stack_file is None else ()
        replicas = ((name, settings.port) for name in swarm_names)
        return cls(settings.port, frozenset((*replicas, *_listeners(settings))))

    async def resolve(self, resolver: HostResolver, addresses: frozenset[str], ports: frozenset[int]) -> OwnApis:
        """Return where they are, as far as ``ports`` are asked about; ``addresses`` are the machine's own."""
        wanted = [(name, port) for name, port in self.names if port in ports]
        hosts = await resolver.resolve(name for name, _ in wanted) if wanted else {}
        found = ((address, port) for name, port in wanted for address in hosts.get(name, ()))
        return OwnApis.at((*found, *((address, self.port) for address in addresses)))


def _listeners(settings: ProxySettings) -> Iterator[tuple[str, int]]:
    for each in settings.listener_address:
        url = urlsplit(listener_url(each))
        for name in _both_names(url.hostname or ""):
            yield name, url.port or 0
            yield name, LISTENER_PORTS["http"]  # where it is, too, if the address is that of TLS


def _both_names(service: str) -> tuple[str, str]:
    """Return the names in Swarm's DNS of a service's virtual IP and of its tasks."""
    return service, f"tasks.{service.removeprefix('tasks.')}"
