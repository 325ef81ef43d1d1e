"""`Router`: from the claims of all services to the `RoutingTable`, settling anew only what a changed claim touches.

What touches what: claims that are the same settle a route among them (`_settled`). Who answers it is looked up at its
place, and so are the candidates of longer paths that nobody answers for certain (`Lookups`). A domain is one more
pattern on the way of hosts (`Patterns`).
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, NamedTuple, TypeVar

from models.lookups import Lookups, Place
from models.patterns import Patterns
from models.routing import ACME_TIER, DEFAULT_TIER, Claim, Conflict, PathMatch, RoutingTable, Rule
from models.tables import Derived, Gathered, Latest
from models.traffic import Member, slots_of, split_name

T = TypeVar("T")

Identity = tuple[object, ...]
"""`Claim.identity`: claims that are the same are rivals."""

MOST_TESTED = 1_200
"""Routes with predicates: a request keeps the ids of all that may be for it, and HAProxy has 16 KB for such a text."""


@dataclass(frozen=True, slots=True)
class Routing:
    """The routing table, and the conflicts in order of precedence, by the service that lost and by the one that won.

    ``crowded_out`` are the claims that there was no room for, by service.
    """

    table: RoutingTable
    lost: Mapping[str, tuple[Conflict, ...]]
    won: Mapping[str, tuple[Conflict, ...]]
    crowded_out: Mapping[str, tuple[Claim, ...]]


@dataclass(frozen=True, slots=True)
class _Route:
    """Who holds a route, the oldest first, and who does not get it.

    ``answer`` is the claim to be looked up; if the route is shared, it leads to the split of ``slots``.
    """

    holders: tuple[Claim, ...]
    conflicts: tuple[Conflict, ...]
    answer: Claim
    slots: tuple[str, ...] = ()


class _Placed(NamedTuple):
    """A claim with the place where it is looked up."""

    place: Place
    claim: Claim


class Router:
    """Settles the claims of one world after the other."""

    def __init__(self) -> None:
        self._routes = Gathered(_by_identity, _settled)
        self._lost = Gathered(_by_loser, _in_order_of_losers)
        self._won = Gathered(_by_winner, _in_order_of_losers)
        self._words = Gathered(_by_backend, _in_order_of_words)
        self._priorities: Gathered[Identity, bool, int, bool] = Gathered(_priority)
        self._defaults: Derived[Identity, Claim] = Derived(_default)
        self._tested: Derived[Identity, Claim] = Derived(_tested)
        self._crowded_out = Latest(_crowded_out)
        self._shared: Derived[Identity, _Route] = Derived(lambda route: route if route.slots else None)
        self._placed: Derived[Identity, _Placed] = Derived(self._place)
        self._places = Gathered(_by_place, _in_order_of_rank)
        self._lookups = Lookups()
        self._patterns = Patterns()
        self._tiers = Latest(_tiers)
        self._rules = Latest(_rules)
        self._splits = Latest(_splits)
        self._last_tier: str | None = DEFAULT_TIER

    def __call__(self, claims: Mapping[str, tuple[Claim, ...]], *, default_apart: bool = False) -> Routing:
        """Settle who gets which route, and build the tables.

        What is looked up whole or by its beginning costs next to nothing here; only claims with predicates are sorted.

        Args:
            claims: those of every service, by its name.
            default_apart: leaves the claim for whatever nobody else answers out of the tables, for routes that are no
                claims to come before it.
        """
        settled = self._routes(claims)
        tested = self._tested(settled)
        crowded_out = self._crowded_out(tested)
        routes = settled.revised(dict.fromkeys(crowded_out))
        tiers = self._tiers(self._priorities(routes))
        defaults = self._defaults(routes)
        places = self._places(self._placed_in(routes, None if default_apart else tiers[-1], defaults))
        lookups = self._lookups(places)
        patterns = self._patterns(places)
        table = RoutingTable(
            domains=patterns.domains,
            wildcards=patterns.wildcards,
            exacts=lookups.exacts,
            prefixes=lookups.prefixes,
            rules=self._rules(tested.revised(dict.fromkeys(crowded_out))),
            tiers=tiers,
            splits=self._splits(self._shared(routes)),
            default=_first_backend(defaults) if default_apart else None,
            routes=self._words(routes),
            nested_wildcards=patterns.nested_wildcards,
        )
        return Routing(table, self._lost(settled), self._won(settled), _by_service(crowded_out.values()))

    def _placed_in(
        self, routes: Mapping[Identity, _Route], last_tier: str | None, defaults: Mapping[Identity, Claim]
    ) -> Mapping[Identity, _Placed]:
        """Return where the answers are looked up; the default's is in the last tier, or nowhere."""
        moved = defaults if last_tier != self._last_tier else ()
        self._last_tier = last_tier
        return self._placed(routes, again=moved)

    def _place(self, route: _Route) -> _Placed | None:
        claim = route.answer
        tier = self._last_tier if claim.is_default else claim.tier
        if tier is None:
            return None
        path = "" if claim.match is PathMatch.TESTED else claim.path
        return _Placed(Place(claim.domain, tier, claim.match, path), claim)


def _by_identity(claims: Iterable[Claim]) -> Mapping[Identity, tuple[Claim, ...]]:
    found: dict[Identity, tuple[Claim, ...]] = {}
    for claim in claims:
        found[claim.identity] = (*found.get(claim.identity, ()), claim)
    return found


def _settled(rivals: Mapping[str, Sequence[Claim]]) -> _Route:
    """Give a route to the oldest claim, and to those that share it with this one."""
    first, *others = _sorted([*chain.from_iterable(rivals.values())], key=lambda claim: claim.seniority)
    joined = [claim for claim in others if claim.group and claim.group == first.group]
    conflicts = tuple(Conflict(loser=claim, winner=first) for claim in others if claim not in joined)
    if not joined or first.group is None:
        return _Route((first,), conflicts, first)
    holders = (first, *joined)
    members = [Member(claim.backend, claim.weight, claim.ready) for claim in holders]
    answer = replace(first, backend=split_name(first.group, members))
    return _Route(holders, conflicts, answer, slots_of(members))


def _by_loser(route: _Route) -> Mapping[str, tuple[Conflict, ...]]:
    found: dict[str, tuple[Conflict, ...]] = {}
    for conflict in route.conflicts:
        found[conflict.loser.service] = (*found.get(conflict.loser.service, ()), conflict)
    return found


def _by_winner(route: _Route) -> Mapping[str, tuple[Conflict, ...]]:
    """Return what the one that has a route is to be told of: that it goes before others, not before itself."""
    winner = route.holders[0].service
    others = tuple(each for each in route.conflicts if each.loser.service != winner)
    return {winner: others} if others else {}


def _in_order_of_losers(conflicts: Mapping[Identity, tuple[Conflict, ...]]) -> tuple[Conflict, ...]:
    return tuple(sorted(chain.from_iterable(conflicts.values()), key=lambda conflict: conflict.loser.rank))


def _by_backend(route: _Route) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for claim in route.holders:
        found[claim.backend] = (*found.get(claim.backend, ()), claim.route)
    return found


def _in_order_of_words(words: Mapping[Identity, tuple[str, ...]]) -> tuple[str, ...]:
    return tuple(sorted(chain.from_iterable(words.values())))


def _default(route: _Route) -> Claim | None:
    return route.answer if route.answer.is_default else None


def _tested(route: _Route) -> Claim | None:
    return route.answer if route.answer.predicates else None


def _crowded_out(tested: Mapping[Identity, Claim]) -> Mapping[Identity, Claim]:
    """Return the youngest of claims that are too many."""
    if len(tested) <= MOST_TESTED:
        return {}
    by_age = sorted(tested.items(), key=lambda item: (item[1].seniority, item[1].id))
    return dict(by_age[MOST_TESTED:])


def _by_service(claims: Iterable[Claim]) -> Mapping[str, tuple[Claim, ...]]:
    found: dict[str, tuple[Claim, ...]] = {}
    for claim in claims:
        found[claim.service] = (*found.get(claim.service, ()), claim)
    return found


def _priority(route: _Route) -> Mapping[int, bool]:
    return {} if route.answer.tier == ACME_TIER else {route.answer.priority: True}


def _tiers(priorities: Iterable[int]) -> tuple[str, ...]:
    """Return all tiers in the order of their lookup; the two that plain services use are always there."""
    in_order = sorted({*priorities, 0}, reverse=True)
    return (ACME_TIER, *(f"!{each}" if each else DEFAULT_TIER for each in in_order))


def _by_place(placed: _Placed) -> Mapping[Place, Claim]:
    return {placed.place: placed.claim}


def _in_order_of_rank(claims: Mapping[Identity, Claim]) -> tuple[Claim, ...]:
    return tuple(_sorted(claims.values(), key=lambda claim: claim.rank))


def _sorted(items: Collection[T], key: Callable[[T], Any]) -> Collection[T]:
    """Sort, unless there is only one: as it nearly always is, and keys cost something."""
    return sorted(items, key=key) if len(items) > 1 else items


def _rules(tested: Mapping[Identity, Claim]) -> tuple[Rule, ...]:
    in_order = sorted(tested.values(), key=lambda claim: claim.rank)
    return tuple(Rule(claim.id, claim.backend, claim.predicates) for claim in in_order)


def _splits(shared: Mapping[Identity, _Route]) -> dict[str, str]:
    in_order = sorted(shared.values(), key=lambda route: route.answer.backend)
    return {f"{route.answer.backend}#{slot}": backend for route in in_order for slot, backend in enumerate(route.slots)}


def _first_backend(claims: Mapping[Identity, Claim]) -> str | None:
    return min(claims.values(), key=lambda claim: claim.rank).backend if claims else None
