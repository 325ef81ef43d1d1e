"""`Lookups`: what is found for every path under a domain pattern and tier, which are the tables that HAProxy looks up.

A place is answered by its own claims, in order of precedence. If all of these have predicates it is open: none of them
may hold, so the claims of shorter beginnings follow, and then those that are tested whatever the path. So a claim
touches its own place and the open ones within.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from models.routing import ANY_DOMAIN, BETWEEN_IDS, DEFAULT_TIER, Claim, PathMatch
from models.tables import Table, changed_keys


class Place(NamedTuple):
    """Where claims are looked up; ``path`` is empty for those that are only tested, and for whatever has no other."""

    domain: str
    tier: str
    match: PathMatch
    path: str

    @property
    def key(self) -> str:
        """The key in HAProxy's maps; the path alone where most are, so that a request's is looked up as it is."""
        is_plain = self.path and self.scope == (ANY_DOMAIN, DEFAULT_TIER)
        return self.path if is_plain else f"{self.domain}{self.tier}#{self.path}"

    @property
    def scope(self) -> tuple[str, str]:
        """The domain pattern and tier."""
        return (self.domain, self.tier)

    def at(self, match: PathMatch, path: str) -> "Place":
        """Return another place of the same scope."""
        return self._replace(match=match, path=path)

    @property
    def wider(self) -> Iterator["Place"]:
        """The places of the beginnings that are looked at after this one, longest first."""
        longest = len(self.path) - (1 if self.match is PathMatch.PREFIX else 0)
        return (self.at(PathMatch.PREFIX, self.path[:length]) for length in range(longest, -1, -1))


class Lookups:
    """The tables of one world after the other: ``exacts`` and ``prefixes``."""

    def __init__(self) -> None:
        self._places: Mapping[Place, tuple[Claim, ...]] = Table()
        self._open: dict[tuple[str, str], set[Place]] = {}
        self.exacts: Table[str, str] = Table()
        self.prefixes: Table[str, str] = Table()

    def __call__(self, places: Mapping[Place, tuple[Claim, ...]]) -> "Lookups":
        """Take over the claims of all places, those of each in order of precedence."""
        changed = changed_keys(self._places, places)
        self._places = places
        for place in changed:
            self._note_open(place)
        touched = {each for place in changed for each in self._touched_by(place)}
        found = {place: self._found(place) for place in touched}
        self.exacts = self.exacts.revised(_by_key(found, PathMatch.EXACT))
        self.prefixes = self.prefixes.revised(_by_key(found, PathMatch.PREFIX))
        return self

    def _note_open(self, place: Place) -> None:
        claims = self._places.get(place, ())
        open_places = self._open.setdefault(place.scope, set())
        if claims and place.match is not PathMatch.TESTED and all(claim.predicates for claim in claims):
            open_places.add(place)
        else:
            open_places.discard(place)

    def _touched_by(self, place: Place) -> Iterator[Place]:
        yield place.at(PathMatch.PREFIX, "") if place.match is PathMatch.TESTED else place
        if place.match is not PathMatch.EXACT:
            yield from (each for each in self._open[place.scope] if each.path.startswith(place.path))

    def _found(self, place: Place) -> str | None:
        """Return what is found at a place: candidates to test, up to the first that needs no test."""
        is_last = place.match is PathMatch.PREFIX and not place.path
        if not (place in self._places or (is_last and place.at(PathMatch.TESTED, "") in self._places)):
            return None
        ids: list[str] = []
        for claim in self._candidates(place):
            if not claim.predicates:
                return _joined(ids) + claim.backend
            ids.append(claim.id)
        return _joined(ids)

    def _candidates(self, place: Place) -> Iterator[Claim]:
        yield from self._places.get(place, ())
        for each in place.wider:
            yield from self._places.get(each, ())
        yield from self._places.get(place.at(PathMatch.TESTED, ""), ())


def _by_key(found: Mapping[Place, str | None], match: PathMatch) -> dict[str, str | None]:
    return {place.key: value for place, value in found.items() if place.match is match}


def _joined(ids: Sequence[str]) -> str:
    return "".join((BETWEEN_IDS, *(f"{each}{BETWEEN_IDS}" for each in ids))) if ids else ""
