"""Members of a traffic group that miss each other: they claim one place, but not under the same conditions."""

from collections.abc import Iterable, Iterator

from models.routing import Claim


def unshared(claims: Iterable[Claim]) -> Iterator[tuple[Claim, Claim]]:
    """Return every claim of a group beside the first one of another member for the same place that it cannot share."""
    places: dict[tuple[object, ...], list[Claim]] = {}
    for claim in claims:
        if claim.group:
            places.setdefault((claim.group, claim.domain, claim.path), []).append(claim)
    for members in places.values():
        for claim in members:
            others = (each for each in members if each.service != claim.service and each.identity != claim.identity)
            other = min(others, key=lambda each: each.seniority, default=None)
            if other is not None:
                yield claim, other
