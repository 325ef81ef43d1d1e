"""Endpoints: the addresses that a destination's requests are sent to. Pure.

Addresses come from the Docker API, never from DNS: the one that counts is that on a network the proxy itself
is attached to.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Network, ip_address

from controller.templates import TemplateFile
from models import conditions
from models.certificates import CertificateFiles
from models.conditions import Condition
from models.proxy import Server
from models.service import Destination
from models.snapshot import EPOCH, Interface, SwarmService, Task

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the proxy finds around itself.

    ``networks`` are those of its own interfaces; ``hosts`` the addresses of names outside the Swarm; ``secrets``
    the contents of the mounted secrets by name; ``templates`` the files of templates by path in their folder; ``now``
    is when it all was read.
    """

    networks: tuple[Network, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificates: CertificateFiles = field(default_factory=CertificateFiles)
    templates: Mapping[str, TemplateFile] = field(default_factory=dict, repr=False)
    now: datetime = EPOCH


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A destination's servers, and why there are none if there are none."""

    servers: tuple[Server, ...] = ()
    condition: Condition | None = None


def outside_host(service: SwarmService, destination: Destination) -> str | None:
    """Return the host name or address outside the Swarm that the destination is sent to, if any."""
    return destination.target.outbound_hostname or service.host


def endpoints_of(
    service: SwarmService, destination: Destination, port: int, surroundings: Surroundings, *, by_task: bool
) -> Endpoints:
    """Find the servers of one destination, for one port of the service.

    ``by_task`` asks for one server per running task; services without a virtual IP are always served so.
    """
    host = outside_host(service, destination)
    if host is not None:
        return _outside(service.name, host, port, surroundings)
    running = tuple(task for task in service.tasks if task.state == "running")
    if not running:
        return Endpoints(condition=conditions.no_running_tasks(service.name))
    if by_task or service.endpoint_mode == "dnsrr":
        servers = _task_servers(service, running, port, surroundings)
    else:
        address = _shared(service.virtual_ips, surroundings)
        servers = (Server(service.name, address, port),) if address else ()
    return Endpoints(servers, None if servers else conditions.network_not_shared(service.name))


def _outside(name: str, host: str, port: int, surroundings: Surroundings) -> Endpoints:
    addresses = (host,) if _is_address(host) else surroundings.hosts.get(host, ())
    servers = tuple(
        Server(name if number == 1 else f"{name}_{number}", address, port)
        for number, address in enumerate(addresses, start=1)
    )
    return Endpoints(servers, None if servers else conditions.host_not_resolved(host))


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def _task_servers(
    service: SwarmService, running: tuple[Task, ...], port: int, surroundings: Surroundings
) -> tuple[Server, ...]:
    """Return a server per task, named by its slot, so that a replaced task keeps its server."""
    taken: set[str] = set()
    servers = []
    for task in running:
        address = _shared(task.addresses, surroundings)
        if address is None:
            continue
        name = f"{service.name}_{task.slot or task.node}"
        if name in taken:  # an update that starts the new task first has two of one slot for a moment
            name = f"{name}_{task.id[:8]}"
        taken.add(name)
        servers.append(Server(name, address, port))
    return tuple(servers)


def _shared(addresses: Iterable[Interface], surroundings: Surroundings) -> str | None:
    """Return the first address that lies in one of the proxy's own networks."""
    for address in addresses:
        if any(address.ip in network for network in surroundings.networks):
            return str(address.ip)
    return None
