"""Reading the proxy's surroundings: its own networks and ports, the mounted secrets, and names outside the Swarm."""

import socket
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import IPv4Interface, IPv6Interface, ip_interface
from pathlib import Path

import ifaddr
import structlog

from controller.access import SECRET_PREFIX
from controller.certificates import CertificateStore
from controller.endpoints import Needs, Surroundings
from controller.errors import PermanentError
from controller.own_apis import ApiNames
from controller.resolving import HostResolver
from controller.template_folder import TemplateFolder
from models.settings import ProxySettings

log = structlog.get_logger()

_LARGEST_SECRET = 512 * 1024
"""Bytes; Swarm allows 500 kB (Docker API ``POST /secrets/create``)."""


def own_interfaces() -> tuple[IPv4Interface | IPv6Interface, ...]:
    """Return the addresses of this machine (or container) with their networks, loopback included, sorted."""
    found = set()
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            text = address.ip if isinstance(address.ip, str) else address.ip[0]
            found.add(ip_interface(f"{text}/{address.network_prefix}"))
    return tuple(sorted(found, key=str))


def check_interfaces(settings: ProxySettings) -> None:
    """See to it that every interface that a port is to be bound to exists.

    HAProxy does not insist on it: it warns, and listens on all interfaces.

    Raises:
        PermanentError: there is no such interface; the message names the variable.
    """
    known = sorted({name for _, name in socket.if_nameindex()})
    for variable, binds in (("DEFAULT_PORTS", settings.default_ports), ("BIND_PORTS", settings.bind_ports)):
        for bind in binds:
            if bind.interface is not None and bind.interface not in known:
                raise PermanentError(
                    f"the variable {variable} (or secret dfp_{variable.lower()}): {bind} names the interface "
                    f"{bind.interface}, which is none of {', '.join(known)}"
                )


def user_secrets(folder: Path) -> dict[str, str]:
    """Return the contents of the mounted secrets that hold users, by name; unreadable ones are left out."""
    contents = {}
    for path in sorted(folder.glob(f"{SECRET_PREFIX}*")):
        try:
            contents[path.name] = path.read_bytes()[:_LARGEST_SECRET].decode()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("Secret cannot be read", secret=path.name, error=str(error))
    return contents


def unusable_ports(ports: Iterable[int]) -> Iterator[tuple[int, str]]:
    """Return the ports that HAProxy could not listen on, each with the machine's reason.

    A reload that finds a port taken makes the running HAProxy let go of all its ports for a second. Ports that HAProxy
    itself listens on are shared with whoever asks in the same way.
    """
    for port in ports:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            try:
                probe.bind(("", port))
            except OSError as error:
                yield port, (error.strerror or type(error).__name__).lower()


@dataclass(frozen=True, slots=True)
class Around:
    """Where to read what is around the proxy.

    Names of APIs have a resolver of their own, since it is asked for other names at other times.
    """

    secrets: Path
    certificates: CertificateStore
    templates: TemplateFolder
    apis: ApiNames
    outside: HostResolver = field(default_factory=HostResolver)
    inside: HostResolver = field(default_factory=HostResolver)


async def read_surroundings(around: Around, needs: Needs) -> Surroundings:
    """Read everything that is around the proxy now."""
    own = own_interfaces()
    addresses = frozenset(str(each.ip) for each in own)
    return Surroundings(
        networks=tuple(sorted({each.network for each in own}, key=str)),
        hosts=await around.outside.resolve(needs.hosts),
        secrets=user_secrets(around.secrets),
        certificates=around.certificates.read(needs.stored),
        templates=around.templates.read(),
        unusable_ports=dict(unusable_ports(needs.ports)),
        apis=await around.apis.resolve(around.inside, addresses, needs.outside),
        now=datetime.now(UTC),
    )
