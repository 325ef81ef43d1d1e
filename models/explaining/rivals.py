"""Rivals: the routes that came close to answering a request, and why they do not."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from itertools import chain, islice

from models.conditions import ConditionType
from models.explaining.arrival import Arrival
from models.explaining.explanation import Lost, Rival
from models.explaining.testing import holds
from models.explaining.words import HOST_FORMS, PATH, condition
from models.predicates import Predicate
from models.proxy import Desired
from models.routing import ACME_TIER, ANY_DOMAIN, Claim, Conflict, PathMatch

MOST = 8
"""Rivals that are told of."""
_ALIKE = 0.75
"""How much of two names or paths is the same if one was meant by the other (1: all of it)."""
_EVERYTHING = ("", "/")
"""The paths of routes that answer what others were perhaps meant for."""
_ORDER = {reason: number for number, reason in enumerate(Lost)}


@dataclass(frozen=True)
class Contest:
    """All claims, beside what one request is."""

    desired: Desired
    arrival: Arrival

    @cached_property
    def fitting(self) -> tuple[Claim, ...]:
        """The claims in force that are for the request, as far as can be told, in order of precedence."""
        out = {*self._lost, *chain.from_iterable(self.desired.crowded_out.values())}
        fitting = (claim for claim, failing in self._at_its_place if not failing and claim not in out)
        return tuple(sorted(fitting, key=lambda each: each.rank))

    def rivals(self, winner: Claim | None) -> tuple[Rival, ...]:
        """Return the routes that came close, the most telling first; ``winner`` is the claim that answers, if any."""
        found = [*self._out_of_the_contest(), *(_outranked_by(winner, self.fitting) if winner else self._refused())]
        found += self._near_misses(winner)
        return tuple(islice(dict.fromkeys(sorted(found, key=lambda each: _ORDER[each.reason])), MOST))

    @cached_property
    def _at_its_place(self) -> list[tuple[Claim, list[Predicate]]]:
        """The claims that the tables lead to from the request, each with the tests that do not hold."""
        arrival = self.arrival
        return [
            (claim, [each for each in claim.predicates if holds(each, arrival.facts) is False])
            for claim in chain.from_iterable(self.desired.claims.values())
            if fits_path(claim, arrival.path) and fits_domain(claim, arrival.host)
        ]

    @cached_property
    def _lost(self) -> dict[Claim, Conflict]:
        return {each.loser: each for each in chain.from_iterable(self.desired.lost.values())}

    def _out_of_the_contest(self) -> Iterator[Rival]:
        """Yield those that are for the request and get nothing, since an older service does or there is no room."""
        crowded_out = {*chain.from_iterable(self.desired.crowded_out.values())}
        for claim, failing in self._at_its_place if crowded_out or self._lost else ():
            if not failing and (conflict := self._lost.get(claim)):
                yield _rival(claim, Lost.CONFLICT, f"service {conflict.winner.service} is older and has the same route")
            elif not failing and claim in crowded_out:
                yield _rival(claim, Lost.CROWDED_OUT, "there are too many routes with conditions")

    def _near_misses(self, winner: Claim | None) -> Iterator[Rival]:
        """Yield those that would answer if the request, or the label, were a little different."""
        for claim, failing in self._at_its_place:
            if failing and _would_win(claim, winner):
                yield from _just_failing(claim, failing)
        if winner is None or winner.path in _EVERYTHING:
            for claim in chain.from_iterable(self.desired.claims.values()):
                if _is_just_elsewhere(claim, self.arrival) and _would_win(claim, winner):
                    yield _elsewhere(claim, self.arrival)

    def _refused(self) -> Iterator[Rival]:
        """Yield the services that have no routes since their labels are wrong."""
        for name, conditions in self.desired.conditions.items():
            wrong = [each for each in conditions if each.type is ConditionType.ACCEPTED and each.status == "False"]
            if wrong and name not in self.desired.claims:
                yield Rival(service=name, route="", reason=Lost.REFUSED, message=wrong[0].message)


def fits_domain(claim: Claim, host: str) -> bool:
    """Return whether the domain pattern of a claim matches a host."""
    if claim.domain == ANY_DOMAIN:
        return True
    return host.endswith(claim.domain[1:]) if claim.domain.startswith("*") else host == claim.domain


def fits_path(claim: Claim, path: str) -> bool:
    """Return whether the path of a claim matches; one whose path is only among its tests matches all."""
    return path == claim.path if claim.match is PathMatch.EXACT else path.startswith(claim.path)


def _would_win(claim: Claim, winner: Claim | None) -> bool:
    return winner is None or claim.precedence < winner.precedence


def _just_failing(claim: Claim, failing: Sequence[Predicate]) -> Iterator[Rival]:
    """Yield a claim some of whose tests do not hold, if they are about more than the domain or the path of others."""
    subjects = {_subject(each) for each in failing}
    words = f"only if {' and '.join(map(condition, failing))}"
    if subjects == {Lost.TEST}:
        yield _rival(claim, Lost.TEST, words)
    elif subjects == {Lost.OTHER_PATH} and claim.domain != ANY_DOMAIN:
        yield _rival(claim, Lost.OTHER_PATH, words)


def _is_just_elsewhere(claim: Claim, arrival: Arrival) -> bool:
    """Return whether a claim is for the request but for its path or its domain, which is nearly right."""
    domain, path = fits_domain(claim, arrival.host), fits_path(claim, arrival.path)
    if domain == path:
        return False
    return _is_near(arrival.path, claim.path) if domain else _is_near_host(arrival.host, claim.domain)


def _elsewhere(claim: Claim, arrival: Arrival) -> Rival:
    if fits_domain(claim, arrival.host):
        return _rival(claim, Lost.OTHER_PATH, _why_other_path(claim, arrival.path))
    return _rival(claim, Lost.OTHER_DOMAIN, f"it is for {claim.domain}, not for {arrival.host or 'no host'}")


def _subject(predicate: Predicate) -> Lost:
    """Return what a request is not for if a test fails."""
    if predicate.fetch == PATH and not predicate.negated:
        return Lost.OTHER_PATH
    return Lost.OTHER_DOMAIN if predicate.fetch.startswith(HOST_FORMS) else Lost.TEST


def _rival(claim: Claim, reason: Lost, message: str) -> Rival:
    return Rival(service=claim.service, route=claim.route, reason=reason, message=message)


_STEPS = (Lost.PRIORITY, Lost.DOMAIN, Lost.PATH, Lost.PATH, Lost.PATH, Lost.TESTS, Lost.NAME, Lost.NAME, Lost.NAME)
"""What decides, by the place in `Claim.precedence`."""


def _outranked_by(winner: Claim, fitting: Iterable[Claim]) -> Iterator[Rival]:
    """Yield the claims that would answer, were it not for the winner; who shares its route is none."""
    for claim in fitting:
        if claim.precedence > winner.precedence and claim.identity != winner.identity:
            pairs = zip(_STEPS, claim.precedence, winner.precedence, strict=True)
            reason = next((step for step, mine, theirs in pairs if mine != theirs), Lost.NAME)
            yield _rival(claim, reason, _OUTRANKED[reason](claim, winner))


def _why_priority(claim: Claim, winner: Claim) -> str:
    if claim.is_default:
        return "it is for what nobody else answers"
    if winner.tier == ACME_TIER:
        return "challenges of certificate authorities go before everything else"
    return f"its priority is {claim.priority}, the other's is {winner.priority}"


_OUTRANKED: Mapping[Lost, Callable[[Claim, Claim], str]] = {
    Lost.PRIORITY: _why_priority,
    Lost.DOMAIN: lambda claim, winner: f"{winner.domain} is more specific than {claim.domain}",
    Lost.PATH: lambda claim, winner: f"{winner.path} is more specific than {claim.path or 'its tests'}",
    Lost.TESTS: lambda claim, winner: (
        f"the other has {len(winner.predicates)} conditions, and it has {len(claim.predicates)}"
    ),
    Lost.NAME: lambda claim, winner: f"{claim.acl_name} comes after {winner.acl_name}",
}


def _why_other_path(claim: Claim, path: str) -> str:
    if claim.match is PathMatch.EXACT and path.startswith(claim.path):
        return f"it is for {claim.path} alone, nothing below"
    if path.lower().startswith(claim.path.lower()):
        return f"it is for {claim.path}, and the letter case counts"
    return f"it is for {claim.path}, not for {path}"


def _is_near(path: str, wanted: str) -> bool:
    """Return whether one path may have been meant by another: the same but for letter case or slash, or alike."""
    mine, theirs = path.lower().rstrip("/"), wanted.lower().rstrip("/")
    return bool(theirs) and (mine.startswith(theirs) or _are_alike(mine[1 : len(theirs) + 1], theirs[1:]))


def _is_near_host(host: str, domain: str) -> bool:
    wanted = domain.lstrip("*").lstrip(".")
    if not host or not wanted:
        return bool(wanted)
    return host == wanted or host.endswith(f".{wanted}") or wanted.endswith(f".{host}") or _are_alike(host, wanted)


def _are_alike(one: str, other: str) -> bool:
    """Return whether two texts differ in one place or so; that most do not is seen at a glance."""
    half = min(len(one), len(other)) // 2
    if not half or (one[:half] != other[:half] and one[-half:] != other[-half:]):
        return False
    return SequenceMatcher(None, one, other, autojunk=False).ratio() >= _ALIKE
