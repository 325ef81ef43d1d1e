"""Reading the proxy's surroundings: its own networks, the mounted secrets, and names outside the Swarm."""

import asyncio
import socket
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import ifaddr
import structlog

from controller.access import SECRET_PREFIX
from controller.certificates import CertificateStore
from controller.endpoints import Network, Surroundings
from models.snapshot import StoredCertificate

log = structlog.get_logger()

_LARGEST_SECRET = 512 * 1024
"""Bytes; Swarm allows 500 kB (Docker API ``POST /secrets/create``)."""


def own_networks() -> tuple[Network, ...]:
    """Return the networks of this machine's (or container's) interfaces, loopback included."""
    found = set()
    for adapter in ifaddr.get_adapters():
        for address in adapter.ips:
            text = address.ip if isinstance(address.ip, str) else address.ip[0]
            found.add(ip_network(f"{text}/{address.network_prefix}", strict=False))
    return tuple(sorted(found, key=str))


def user_secrets(folder: Path) -> dict[str, str]:
    """Return the contents of the mounted secrets that hold users, by name; unreadable ones are left out."""
    contents = {}
    for path in sorted(folder.glob(f"{SECRET_PREFIX}*")):
        try:
            contents[path.name] = path.read_bytes()[:_LARGEST_SECRET].decode()
        except (OSError, UnicodeDecodeError) as error:
            log.warning("Secret cannot be read", secret=path.name, error=str(error))
    return contents


@dataclass(slots=True)
class HostResolver:
    """Resolves names outside the Swarm, and keeps the last answer while the resolver has none.

    ``timeout`` is in seconds, for all names together.
    """

    timeout: float = 2.0
    known: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def resolve(self, hosts: Iterable[str]) -> dict[str, tuple[str, ...]]:
        """Return the addresses of each name that has any, sorted."""
        wanted = sorted(hosts)
        lookups = [asyncio.ensure_future(self._addresses(host)) for host in wanted]
        if lookups:
            await asyncio.wait(lookups, timeout=self.timeout)
        for host, lookup in zip(wanted, lookups, strict=True):
            if lookup.done() and lookup.result():
                self.known[host] = lookup.result()
            lookup.cancel()
        self.known = {host: self.known[host] for host in wanted if host in self.known}
        return dict(self.known)

    async def _addresses(self, host: str) -> tuple[str, ...]:
        try:
            answers = await asyncio.get_running_loop().getaddrinfo(host, None, type=socket.SOCK_STREAM)
        except OSError:
            return ()
        return tuple(sorted({str(answer[4][0]) for answer in answers}))


async def read_surroundings(
    resolver: HostResolver,
    hosts: Iterable[str],
    secrets: Path,
    certificates: CertificateStore,
    stored: Collection[StoredCertificate] = (),
) -> Surroundings:
    """Read everything that is around the proxy now; ``stored`` are the certificates that the Swarm keeps."""
    return Surroundings(
        networks=own_networks(),
        hosts=await resolver.resolve(hosts),
        secrets=user_secrets(secrets),
        certificates=certificates.read(stored),
        now=datetime.now(UTC),
    )
