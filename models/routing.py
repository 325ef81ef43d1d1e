"""The routing table: which backend answers a request, as data that HAProxy looks up in trees.

Precedence, the same on every replica and whatever the order of input (each step only decides between equals
of the one before):

===  =====================================================================================
1    ACME challenges (paths under ``/.well-known/acme-challenge``) before everything else
2    domain: exact, then longest wildcard, then none; a domain without a matching path is no match
3    path: longest prefix
4    exactly the same claim: the older service, then the lower ``aclName``, then the lower index
===  =====================================================================================

A request is looked up as follows, and `RoutingTable` holds exactly these maps: its host leads to the list of
claimed domain patterns that match it, most specific first (``domains``, else ``wildcards``, else just ``*``); then,
for each pattern in turn, the longest ``pattern#prefix`` that begins ``pattern#path`` gives the backend
(``prefixes``). ``#`` cannot be part of either, and the pattern comes out of our own map, so no request can forge a
key.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

ANY_DOMAIN = "*"
ACME_PREFIX = "/.well-known/acme-challenge"
ACME_MARK = "!"
"""Stands between domain and path in the keys of routes for ACME challenges, which are looked up first."""
BETWEEN_PATTERNS = "|"


@dataclass(frozen=True, slots=True)
class Claim:
    """A destination's wish to answer the requests for one domain pattern and one path prefix."""

    domain: str
    path: str
    backend: str
    service: str
    acl_name: str
    index: int
    created_at: datetime

    @property
    def key(self) -> str:
        """The key in ``prefixes``; equal keys are the same route."""
        mark = ACME_MARK if self.path.startswith(ACME_PREFIX) else ""
        return f"{self.domain}#{mark}{self.path}"

    @property
    def route(self) -> str:
        """The route in words fit for a message."""
        return self.path if self.domain == ANY_DOMAIN else f"{self.domain}{self.path}"

    @property
    def seniority(self) -> tuple[datetime, str, int, str]:
        """Sorts the claims of one key: the first wins."""
        return (self.created_at, self.acl_name, self.index, self.service)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that lost against another one for exactly the same route."""

    loser: Claim
    winner: Claim


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The three lookup tables; see the module's text. ``wildcards`` is ordered, longest first."""

    domains: Mapping[str, str] = field(default_factory=dict)
    wildcards: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """The largest number of domain patterns that one host leads to."""
        chains = (*self.domains.values(), *self.wildcards.values())
        return max((chain.count(BETWEEN_PATTERNS) + 1 for chain in chains), default=1)


def build_routing(claims: Iterable[Claim]) -> tuple[RoutingTable, tuple[Conflict, ...]]:
    """Settle who gets which route, and build the tables."""
    winners: dict[str, Claim] = {}
    conflicts: list[Conflict] = []
    for claim in sorted(claims, key=lambda claim: claim.seniority):
        winner = winners.setdefault(claim.key, claim)
        if winner is not claim:
            conflicts.append(Conflict(loser=claim, winner=winner))
    patterns = {claim.domain for claim in winners.values()} - {ANY_DOMAIN}
    endings = {pattern[1:] for pattern in patterns if pattern.startswith("*")}
    table = RoutingTable(
        domains={domain: _chain(domain, endings) for domain in sorted(patterns) if not domain.startswith("*")},
        wildcards={
            ending: _chain(f"*{ending}", endings) for ending in sorted(endings, key=lambda text: (-len(text), text))
        },
        prefixes={key: winners[key].backend for key in sorted(winners)},
    )
    return table, tuple(conflicts)


def _chain(pattern: str, endings: AbstractSet[str]) -> str:
    """Return the patterns to try for hosts that match ``pattern``: itself, the wildcards around it, and none."""
    host = pattern.removeprefix("*")
    first = 1 if pattern.startswith("*") else 0
    wider = [f"*{host[start:]}" for start in range(first, len(host)) if host[start:] in endings]
    return BETWEEN_PATTERNS.join((pattern, *wider, ANY_DOMAIN))
