"""Members of a traffic group that miss each other: they claim one place, but not under the same conditions."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import chain

from models.routing import Claim
from models.tables import Gathered, Table

Missed = tuple[Claim, Claim]
"""A claim of a group, and the first one of another member for the same place that it cannot share with."""
_Place = tuple[str | None, str, str]


class Sharing:
    """Finds them in the claims of one world after the other, anew only where claims have changed."""

    def __init__(self) -> None:
        self._by_place: Gathered[str, tuple[Missed, ...], _Place, tuple[Claim, ...]] = Gathered(_by_place, _settled)
        self._by_service: Gathered[_Place, tuple[Missed, ...], str, tuple[Missed, ...]] = Gathered(
            _by_service, _in_order
        )

    def __call__(self, claims: Mapping[str, tuple[Claim, ...]]) -> Table[str, tuple[Missed, ...]]:
        """Return those of each service by its name, given the claims of every service likewise."""
        return self._by_service(self._by_place(claims))


def _by_place(claims: Iterable[Claim]) -> Mapping[_Place, tuple[Claim, ...]]:
    found: dict[_Place, tuple[Claim, ...]] = {}
    for claim in claims:
        if claim.group:
            place = (claim.group, claim.domain, claim.path)
            found[place] = (*found.get(place, ()), claim)
    return found


def _settled(members: Mapping[str, tuple[Claim, ...]]) -> tuple[Missed, ...] | None:
    return tuple(_missed([*chain.from_iterable(members.values())])) or None


def _missed(members: Sequence[Claim]) -> Iterator[Missed]:
    for claim in members:
        others = (each for each in members if each.service != claim.service and each.identity != claim.identity)
        other = min(others, key=lambda each: each.seniority, default=None)
        if other is not None:
            yield claim, other


def _by_service(missed: Iterable[Missed]) -> Mapping[str, tuple[Missed, ...]]:
    found: dict[str, tuple[Missed, ...]] = {}
    for claim, other in missed:
        found[claim.service] = (*found.get(claim.service, ()), (claim, other))
    return found


def _in_order(missed: Mapping[_Place, tuple[Missed, ...]]) -> tuple[Missed, ...]:
    return tuple(sorted(chain.from_iterable(missed.values()), key=lambda pair: pair[0].rank))
