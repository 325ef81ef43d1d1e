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

A request is looked up as follows, and `RoutingTable` holds exactly these maps. Its host leads to the list of claimed
domain patterns that match it, most specific first (``domains``, else ``wildcards``, else just ``*``). Then, for each
tier of priority and each pattern in turn, ``<pattern><tier>#<path>`` is looked up whole (``exacts``) and by its longest
beginning (``prefixes``). Neither ``#`` nor ``!``, with which tiers begin, can be part of a pattern, and the pattern
comes out of our own map, so no request can forge a key; and what is before the path ends in ``#``, so no key without a
path is the beginning of one of another tier.

What is found there is either a backend (``>backend``), or candidates that have to be tested (``|id|id|``), perhaps
with a backend for when none of them holds (``|id|id|>backend``). If there is none, the search goes on, and what it
finds is appended. The tests themselves are `rules`, in order of precedence.

Where services bring routes of their own in templates (`models.raw.frontend_lines`), these are tried when the search is
over, and the claim for whatever nobody else answers is not part of it but comes behind them (``default``).

Claims of one traffic group may be the same: then what is found is not a backend but the name of a split
(`models.traffic`), and ``splits`` has the backend of each of its slots (``name#slot``).
"""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import IntEnum
from functools import cached_property

from models.predicates import Predicate
from models.traffic import Member, slots_of, split_name

ANY_DOMAIN = "*"
ACME_PREFIX = "/.well-known/acme-challenge"
ACME_TIER = "!"
"""Follows the domain in the keys of routes for ACME challenges, which are looked up first."""
DEFAULT_TIER = ""
BETWEEN_PATTERNS = "|"


class PathMatch(IntEnum):
    """How a claim's path is compared, best first."""

    EXACT = 0
    PREFIX = 1
    TESTED = 2
    """By predicates alone; the claim's ``path`` is empty."""


@dataclass(frozen=True)
class Claim:
    """A destination's wish to answer the requests for one domain pattern and one path.

    What follows from it is worked out once: claims outlive many routing tables.

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

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """What makes two claims the same."""
        return (*self.place, self.match, self.is_default, *sorted(self.predicates))

    @cached_property
    def place(self) -> tuple[str, str, str]:
        """Where the claim is looked up: the tier, the domain pattern and the path."""
        return (self.tier, self.domain, self.path)

    @cached_property
    def tier(self) -> str:
        """What follows the domain in the claim's keys."""
        if self.path.startswith(ACME_PREFIX):
            return ACME_TIER
        return f"!{self.priority}" if self.priority else DEFAULT_TIER

    @cached_property
    def route(self) -> str:
        """The route in words fit for a message."""
        what = self.path or ("everything else" if self.is_default else "requests by predicate")
        words = what if self.domain == ANY_DOMAIN else f"{self.domain}{self.path}"
        return f"{words} (with conditions)" if self.predicates else words

    @cached_property
    def seniority(self) -> tuple[datetime, str, int, str]:
        """Sorts the claims of one identity: the first wins."""
        return (self.created_at, self.acl_name, self.index, self.service)

    @cached_property
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

    @property
    def nested_wildcards(self) -> int:
        """The largest number of wildcards that one host matches."""
        return max((chain.count(BETWEEN_PATTERNS) for chain in self.wildcards.values()), default=0)


def build_routing(claims: Iterable[Claim], *, default_apart: bool = False) -> tuple[RoutingTable, tuple[Conflict, ...]]:
    """Settle who gets which route, and build the tables.

    What is looked up whole or by its beginning costs next to nothing here; only claims with predicates are sorted.
    ``default_apart`` leaves the claim for whatever nobody else answers out of the tables, for routes that are no claims
    to come before it.
    """
    settled, conflicts = _settle(claims)
    answers = [_answer(holders) for holders in settled]
    default = next((each.claim.backend for each in answers if default_apart and each.claim.is_default), None)
    tiers = _tiers(answer.claim for answer in answers)
    scopes: dict[tuple[str, str], _Scope] = {}
    for answer in answers:
        claim = answer.claim
        if claim.is_default and default_apart:
            continue
        place = (tiers[-1] if claim.is_default else claim.tier, claim.domain)
        scope = scopes.get(place)
        if scope is None:
            scope = scopes[place] = _Scope()
        scope.add(claim)
    exacts: dict[str, str] = {}
    prefixes: dict[str, str] = {}
    for (tier, domain), scope in scopes.items():
        exacts |= scope.exact_values(f"{domain}{tier}#")
        prefixes |= scope.prefix_values(f"{domain}{tier}#")
    tested = sorted((answer.claim for answer in answers if answer.claim.predicates), key=_rank)
    domains, wildcards = _patterns({domain for _, domain in scopes})
    table = RoutingTable(
        domains=domains,
        wildcards=wildcards,
        exacts=dict(sorted(exacts.items())),
        prefixes=dict(sorted(prefixes.items())),
        rules=tuple(Rule(claim.id, claim.backend, claim.predicates) for claim in tested),
        tiers=tiers,
        splits=_splits(answers),
        default=default,
        routes=_routes(settled),
    )
    return table, conflicts


def _settle(claims: Iterable[Claim]) -> tuple[list[list[Claim]], tuple[Conflict, ...]]:
    """Give each route to the oldest claim, and to those that share it with this one."""
    rivals: dict[tuple[object, ...], list[Claim]] = {}
    for claim in claims:
        rivals.setdefault(claim.identity, []).append(claim)
    settled: list[list[Claim]] = []
    conflicts: list[Conflict] = []
    for group in rivals.values():
        if len(group) == 1:
            settled.append(group)
            continue
        first, *others = sorted(group, key=lambda claim: claim.seniority)
        joined = [claim for claim in others if claim.group and claim.group == first.group]
        conflicts.extend(Conflict(loser=claim, winner=first) for claim in others if claim not in joined)
        settled.append([first, *joined])
    return settled, tuple(conflicts)


@dataclass(frozen=True, slots=True)
class _Answer:
    """What answers a route: the claim to be looked up, and the backends of the slots if it is shared."""

    claim: Claim
    slots: tuple[str, ...] = ()


def _answer(holders: Sequence[Claim]) -> _Answer:
    """Return what answers a route that these claims hold, the oldest first."""
    first = holders[0]
    if len(holders) == 1 or first.group is None:
        return _Answer(first)
    members = [Member(claim.backend, claim.weight, claim.ready) for claim in holders]
    return _Answer(replace(first, backend=split_name(first.group, members)), slots_of(members))


def _splits(answers: Iterable[_Answer]) -> dict[str, str]:
    shared = sorted((answer for answer in answers if answer.slots), key=lambda answer: answer.claim.backend)
    return {f"{answer.claim.backend}#{slot}": backend for answer in shared for slot, backend in enumerate(answer.slots)}


def _tiers(claims: Iterable[Claim]) -> tuple[str, ...]:
    """Return all tiers in the order of their lookup; the two that plain services use are always there."""
    priorities = {claim.priority for claim in claims if claim.tier != ACME_TIER} | {0}
    return (ACME_TIER, *(f"!{each}" if each else DEFAULT_TIER for each in sorted(priorities, reverse=True)))


def _rank(claim: Claim) -> tuple[object, ...]:
    """Sorts claims by precedence, and those that nothing tells apart always in the same way."""
    return (*claim.precedence, claim.id)


class _Scope:
    """The claims of one tier and domain pattern."""

    def __init__(self) -> None:
        self._exacts: dict[str, list[Claim]] = {}
        self._prefixes: dict[str, list[Claim]] = {}
        self._tested: list[Claim] = []

    def add(self, claim: Claim) -> None:
        if claim.match is PathMatch.TESTED:
            self._tested.append(claim)
        else:
            places = self._exacts if claim.match is PathMatch.EXACT else self._prefixes
            places.setdefault(claim.path, []).append(claim)

    def exact_values(self, start: str) -> dict[str, str]:
        """Return what is found for each path that is claimed exactly, by its key, which begins with ``start``."""
        return {start + path: self._value(claims, path) for path, claims in self._exacts.items()}

    def prefix_values(self, start: str) -> dict[str, str]:
        """Return what is found for each beginning that is claimed, and for none if some claims need tests alone."""
        values = {start + path: self._value(claims, path[:-1]) for path, claims in self._prefixes.items() if path}
        if self._tested or "" in self._prefixes:
            values[start] = self._value(self._prefixes.get("", []), None)
        return values

    def _value(self, claims: list[Claim], outer: str | None) -> str:
        """Return what a key holds: candidates to test, up to the first that needs no test.

        First come ``claims``, then those of the beginnings of ``outer``, longest first (None: there is none), then
        those that are tested whatever the path.
        """
        if len(claims) == 1 and not claims[0].predicates:
            return f">{claims[0].backend}"
        ids: list[str] = []
        for group in self._groups(claims, outer):
            for claim in sorted(group, key=_rank):
                if not claim.predicates:
                    return _joined(ids) + f">{claim.backend}"
                ids.append(claim.id)
        return _joined(ids)

    def _groups(self, claims: list[Claim], outer: str | None) -> Iterator[list[Claim]]:
        yield claims
        if outer is not None:
            yield from (self._prefixes.get(outer[:length], []) for length in range(len(outer), -1, -1))
        yield self._tested


def _joined(ids: Sequence[str]) -> str:
    return f"|{'|'.join(ids)}|" if ids else ""


def _patterns(claimed: AbstractSet[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Return the chains of patterns by exact domain, and by the ending of wildcards, longest first."""
    endings = sorted(
        {pattern[1:] for pattern in claimed if pattern.startswith("*") and pattern != ANY_DOMAIN},
        key=lambda text: (-len(text), text),
    )
    by_length: dict[int, set[str]] = {}
    for ending in endings:
        by_length.setdefault(len(ending), set()).add(ending)
    domains = {domain: _chain(domain, by_length) for domain in sorted(claimed) if not domain.startswith("*")}
    return domains, {ending: _chain(f"*{ending}", by_length) for ending in endings}


def _chain(pattern: str, endings: Mapping[int, AbstractSet[str]]) -> str:
    """Return the patterns to try for hosts that match ``pattern``: itself, the wildcards around it, and none.

    ``endings`` are all wildcards' endings by length, longest first.
    """
    host = pattern.removeprefix("*")
    longest = len(host) - (1 if pattern.startswith("*") else 0)
    wider = [f"*{host[-size:]}" for size, texts in endings.items() if size <= longest and host[-size:] in texts]
    return BETWEEN_PATTERNS.join((pattern, *wider, ANY_DOMAIN))


def _routes(settled: Iterable[Sequence[Claim]]) -> dict[str, tuple[str, ...]]:
    routes: dict[str, list[str]] = {}
    for holders in settled:
        for claim in holders:
            routes.setdefault(claim.backend, []).append(claim.route)
    return {backend: tuple(sorted(words)) for backend, words in routes.items()}
