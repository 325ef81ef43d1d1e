"""Names outside the Swarm: resolved beside everything else, so that a name server that hangs holds up nobody."""

import asyncio
import socket
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import partial

from controller.sources.threads import Work

Addresses = tuple[str, ...]


@dataclass(slots=True)
class HostResolver:
    """Resolves names, and keeps the last answer while there is none.

    A name that was never asked for is waited for ``timeout`` seconds, any other one for ``patience`` seconds: what
    comes later is there the next time. Each name is asked for by one thread at most.
    """

    timeout: float = 2.0
    patience: float = 0.05
    known: dict[str, Addresses] = field(default_factory=dict)
    _lookups: dict[str, Work[Addresses]] = field(default_factory=dict)
    _asked: frozenset[str] = frozenset()

    async def resolve(self, hosts: Iterable[str]) -> dict[str, Addresses]:
        """Return the addresses of each name that has any, sorted."""
        wanted = frozenset(hosts)
        begun = {host: _lookup(host) for host in wanted - self._lookups.keys()}
        self._lookups |= begun
        limit = self.patience if begun.keys() <= self._asked else self.timeout
        await asyncio.gather(*(lookup.ended(limit) for lookup in begun.values()))
        for host in [host for host, lookup in self._lookups.items() if lookup.is_done]:
            self.known[host] = await self._lookups.pop(host).result() or self.known.get(host, ())
        self._asked = wanted
        self.known = {host: self.known[host] for host in sorted(wanted) if self.known.get(host)}
        return dict(self.known)


def _lookup(host: str) -> Work[Addresses]:
    return Work(partial(_addresses, host), name=f"resolve {host}")


def _addresses(host: str) -> Addresses:
    """Ask the resolver of the machine; a name that cannot be one has no address."""
    try:
        answers = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return ()
    return tuple(sorted({str(answer[4][0]) for answer in answers}))
