"""The routing table: which backend answers a request, as data that HAProxy looks up in trees.

Precedence, the same on every replica and whatever the order of input (each step only decides between equals
of the one before):

===  =======================================================================================
1    ACME challenges (paths under ``/.well-known/acme-challenge``) before everything else
2    the higher ``priority``
3    domain: exact, then longest wildcard, then other tests, then none; without a path that
     matches, a domain does not count
4    path: exact, then longest prefix, then what needs another test (regular expressions, ...)
5    more predicates (headers, user agent, port) before fewer
6    the lower ``aclName``, then the lower index
===  =======================================================================================

Two claims that are the same in all of 1 to 5, to the letter, are in conflict: the older service has the route.

A request is looked up as follows, and `RoutingTable` holds exactly these maps. Its host leads to itself if it is
claimed (``domains``), and to the list of claimed wildcards that match it, longest first (``wildcards``): these are the
domain patterns, and last ``*``. Then, for each tier of priority and each pattern in turn, ``<pattern><tier>#<path>`` is
looked up whole (``exacts``) and by its longest beginning (``prefixes``). Neither ``#`` nor ``!``, with which tiers
begin, can be part of a pattern, and the pattern comes out of our own map, so no request can forge a key; and what is
before the path ends in ``#``, so no key without a path is the beginning of one of another tier. Where there is neither
domain nor priority, as most often, the path is the key; it begins with ``/``, as no pattern does.

What is found there is either a backend, or candidates that have to be tested (``|id|id|``), perhaps with a backend for
when none of them holds (``|id|id|backend``). If there is none, the search goes on, and what it finds is appended. The
tests themselves are `rules`, in order of precedence.

Where services bring routes of their own in templates (`models.raw.frontend_lines`), these are tried when the search is
over, and the claim for whatever nobody else answers is not part of it but comes behind them (``default``).

Claims of one traffic group may be the same: then what is found is not a backend but the name of a split
(`models.traffic`), and ``splits`` has the backend of each of its slots (``name#slot``).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import IntEnum
from functools import cached_property

from models.predicates import Predicate

ANY_DOMAIN = "*"
ACME_PREFIX = "/.well-known/acme-challenge"
ACME_TIER = "!"
"""Follows the domain in the keys of routes for ACME challenges, which are looked up first."""
DEFAULT_TIER = ""
BETWEEN_PATTERNS = "|"
BETWEEN_IDS = "|"


class PathMatch(IntEnum):
    """How a claim's path is compared, best first."""

    EXACT = 0
    PREFIX = 1
    TESTED = 2
    """By predicates alone; the claim's ``path`` is empty."""


@dataclass(frozen=True)
class Claim:
    """A destination's wish to answer the requests for one domain pattern and one path.

    What takes long to work out is worked out once, for claims outlive many routing tables; the rest is not worth the
    memory, for there are many.

    ``is_default`` marks the claim for whatever nobody else answers; ``tests_domain`` one whose domain is only among
    its predicates. Claims of one ``group`` share a route by ``weight``; ``ready`` says whether there are servers.
    """

    domain: str
    path: str
    backend: str
    service: str
    acl_name: str
    index: int
    created_at: datetime
    match: PathMatch = PathMatch.PREFIX
    predicates: tuple[Predicate, ...] = ()
    priority: int = 0
    is_default: bool = False
    tests_domain: bool = False
    group: str | None = None
    weight: int = 0
    ready: bool = True

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two claims the same."""
        return (*self.place, self.match, self.is_default, *sorted(self.predicates))

    @property
    def place(self) -> tuple[str, str, str]:
        """Where the claim is looked up: the tier, the domain pattern and the path."""
        return (self.tier, self.domain, self.path)

    @property
    def tier(self) -> str:
        """What follows the domain in the claim's keys."""
        if self.path.startswith(ACME_PREFIX):
            return ACME_TIER
        return f"!{self.priority}" if self.priority else DEFAULT_TIER

    @property
    def route(self) -> str:
        """The route in words fit for a message."""
        what = self.path or ("everything else" if self.is_default else "requests by predicate")
        words = what if self.domain == ANY_DOMAIN else f"{self.domain}{self.path}"
        return f"{words} (with conditions)" if self.predicates else words

    @property
    def seniority(self) -> tuple[datetime, str, int, str]:
        """Sorts the claims of one identity: the first wins."""
        return (self.created_at, self.acl_name, self.index, self.service)

    @property
    def precedence(self) -> tuple[object, ...]:
        """Sorts all claims: the first that applies to a request answers it."""
        return (
            _tier_rank(self),
            _domain_rank(self),
            self.match,
            -len(self.path),
            self.path,
            -len(self.predicates),
            self.acl_name,
            self.index,
            self.service,
        )

    @property
    def rank(self) -> tuple[object, ...]:
        """Sorts claims by precedence, and those that nothing tells apart always in the same way."""
        return (*self.precedence, self.id)

    @cached_property
    def id(self) -> str:
        """A short name for the claim among the candidates of a key."""
        text = repr((self.backend, *self.identity))
        return hashlib.sha256(text.encode()).hexdigest()[:10]


def _tier_rank(claim: Claim) -> tuple[int, int]:
    if claim.is_default:
        return (2, 0)
    return (0, 0) if claim.tier == ACME_TIER else (1, -claim.priority)


def _domain_rank(claim: Claim) -> tuple[int, int, str]:
    if claim.domain == ANY_DOMAIN:
        return (2 if claim.tests_domain else 3, 0, claim.domain)
    return (1, -len(claim.domain), claim.domain) if claim.domain.startswith("*") else (0, 0, claim.domain)


@dataclass(frozen=True, slots=True)
class Conflict:
    """A claim that lost against another one for exactly the same route."""

    loser: Claim
    winner: Claim


@dataclass(frozen=True, slots=True)
class Rule:
    """The test of one candidate: if all predicates hold, ``backend`` answers."""

    id: str
    backend: str
    predicates: tuple[Predicate, ...]


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """The lookup tables and the rules; see the module's text. ``wildcards`` is ordered, longest first."""

    domains: Mapping[str, str] = field(default_factory=dict)
    wildcards: Mapping[str, str] = field(default_factory=dict)
    exacts: Mapping[str, str] = field(default_factory=dict)
    prefixes: Mapping[str, str] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    tiers: tuple[str, ...] = (ACME_TIER, DEFAULT_TIER)
    splits: Mapping[str, str] = field(default_factory=dict)
    default: str | None = None
    """What answers whatever nothing else does, if that is not among the tables."""
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """The routes in words, by backend."""
    nested_wildcards: int = 0
    """The largest number of wildcards that one host matches."""
