"""Endpoints: the addresses that a destination's requests are sent to. Pure.

Addresses come from the Docker API, never from DNS: the one that counts is that on a network the proxy itself
is attached to.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from controller.templates import TemplateFile
from models import conditions
from models.certificates import CertificateFiles
from models.conditions import Condition
from models.interface import address_of, network_of
from models.proxy import Server
from models.service import Destination
from models.snapshot import EPOCH, StoredCertificate, SwarmService, Task

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class OwnApis:
    """Where Swarmgate's own APIs are: addresses with ports; all addresses of loopback are one."""

    places: frozenset[tuple[str, int]] = frozenset()

    @classmethod
    def at(cls, places: Iterable[tuple[str, int]]) -> "OwnApis":
        """Return APIs at some addresses and ports."""
        return cls(frozenset((_plain(address), port) for address, port in places))

    def are_at(self, address: str, port: int) -> bool:
        """Return whether requests that are sent there would reach one of them."""
        return (_plain(address), port) in self.places


def _plain(address: str) -> str:
    """Return an address in the form in which all that lead to the same place are the same."""
    ip = ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return "here" if ip.is_loopback or ip.is_unspecified else str(ip)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What the proxy finds around itself.

    ``networks`` are those of its own interfaces; ``hosts`` the addresses of names outside the Swarm; ``secrets``
    the contents of the mounted secrets by name; ``templates`` the files of templates by their path in their folder;
    ``unusable_ports`` are those that HAProxy cannot listen on, with the
    reason; ``now`` is when it all was read.
    """

    networks: tuple[Network, ...] = ()
    hosts: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    certificates: CertificateFiles = field(default_factory=CertificateFiles)
    templates: Mapping[str, TemplateFile] = field(default_factory=dict, repr=False)
    unusable_ports: Mapping[int, str] = field(default_factory=dict)
    apis: OwnApis = field(default_factory=OwnApis)
    now: datetime = EPOCH
    _known: dict[str, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def shares(self, interface: str) -> bool:
        """Return whether an address is on a network of the proxy.

        That of the address is nearly always one that thousands have, of which it is known by now.
        """
        network = network_of(interface)
        if network not in self._known:
            own = ip_network(network)
            self._known[network] = any(own.version == each.version and own.subnet_of(each) for each in self.networks)  # type: ignore[arg-type]
        return self._known[network] or self._has(ip_address(address_of(interface)))

    def _has(self, address: IPv4Address | IPv6Address) -> bool:
        return any(address in network for network in self.networks)


@dataclass(frozen=True, slots=True)
class Needs:
    """What has to be found out around the proxy: addresses of host names, and whether ports can be listened on.

    ``outside`` are the ports that something outside the Swarm is asked at.
    ``stored`` are the certificates that the Swarm keeps, which have to be opened.
    """

    hosts: frozenset[str] = frozenset()
    ports: frozenset[int] = frozenset()
    outside: frozenset[int] = frozenset()
    stored: tuple[StoredCertificate, ...] = ()


@dataclass(frozen=True, slots=True)
class Endpoints:
    """A destination's servers, and why there are none if there are none."""

    servers: tuple[Server, ...] = ()
    condition: Condition | None = None


def outside_host(service: SwarmService, destination: Destination) -> str | None:
    """Return the host name or address outside the Swarm that the destination is sent to, if any."""
    return destination.target.outbound_hostname or service.host


@dataclass(frozen=True, slots=True)
class _Reach:
    """The ways that requests may be sent; ``wanted`` are the networks that the service asks for, None: any."""

    surroundings: Surroundings
    wanted: frozenset[str] | None

    def first(self, interfaces: Iterable[str]) -> str | None:
        """Return the first address of some interfaces that can be reached."""
        return next((address_of(each) for each in interfaces if self._leads_to(each)), None)

    def _leads_to(self, interface: str) -> bool:
        if self.wanted is not None and network_of(interface) not in self.wanted:
            return False
        return self.surroundings.shares(interface)


def endpoints_of(
    service: SwarmService,
    destination: Destination,
    port: int,
    surroundings: Surroundings,
    *,
    name: str = "",
    by_task: bool,
) -> Endpoints:
    """Find the servers of one destination, for one port of the service.

    ``name`` is what servers are called after, the service's own name if empty. ``by_task`` asks for one server per
    running task; services without a virtual IP are always served so.
    """
    name = name or service.name
    host = outside_host(service, destination)
    if host is not None:
        return _outside(name, host, port, surroundings)
    running = tuple(task for task in service.tasks if task.state == "running")
    if not running:
        return Endpoints(condition=conditions.no_running_tasks(service.name))
    wanted = destination.target.network
    reach = _Reach(surroundings, None if wanted is None else service.networks_called(wanted))
    if by_task or service.endpoint_mode == "dnsrr":
        servers = tuple(_task_servers(name, running, port, reach))
    else:
        address = reach.first(service.virtual_ips)
        servers = (Server(name, address, port),) if address else ()
    return Endpoints(servers, None if servers else _unreachable(service, wanted, reach))


def _unreachable(service: SwarmService, wanted: str | None, reach: _Reach) -> Condition:
    """Return why a service that runs has no address for the proxy."""
    if wanted is None:
        return conditions.network_not_shared(service.name)
    if not reach.wanted:
        return conditions.network_not_joined(wanted, joined=sorted({*service.networks.values()}))
    addresses = [*service.virtual_ips, *(address for task in service.tasks for address in task.addresses)]
    everywhere = _Reach(reach.surroundings, None)
    shared = {service.networks.get(network_of(each), "") for each in addresses if everywhere.first((each,))}
    return conditions.network_without_proxy(wanted, shared=sorted(filter(None, shared)))


def _outside(name: str, host: str, port: int, surroundings: Surroundings) -> Endpoints:
    addresses = (host,) if _is_address(host) else surroundings.hosts.get(host, ())
    if any(surroundings.apis.are_at(address, port) for address in addresses):
        return Endpoints(condition=conditions.own_api(host, port))
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


def _task_servers(service: str, running: tuple[Task, ...], port: int, reach: _Reach) -> Iterator[Server]:
    """Return a server per task, named by its slot, so that a replaced task keeps its server."""
    taken: set[str] = set()
    for task in running:
        address = reach.first(task.addresses)
        if address is None:
            continue
        name = f"{service}_{task.slot or task.node}"
        if name in taken:  # an update that starts the new task first has two of one slot for a moment
            name = f"{name}_{task.id[:8]}"
        taken.add(name)
        yield Server(name, address, port)
