"""Traffic groups: routes that several services answer, each as often as its weight says.

A split is the answer to one such route. Its parts are laid out in `SLOTS` slots; every request draws one of them, and
a map leads from the slot to the backend, so weights change without touching a route.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SLOTS = 100
"""How finely a route is shared out."""
NAME_MARK = ":"
"""Is in the name of every split, and in that of no backend."""


@dataclass(frozen=True, slots=True)
class Member:
    """One backend that answers a shared route; ``ready`` says whether it has any servers."""

    backend: str
    weight: int
    ready: bool = True


def split_name(group: str, members: Sequence[Member]) -> str:
    """Return the name under which routes refer to what these members share: other members, another name."""
    text = " ".join(sorted(member.backend for member in members))
    return f"{group}{NAME_MARK}{hashlib.sha256(text.encode()).hexdigest()[:10]}"


def slots_of(members: Sequence[Member]) -> tuple[str, ...]:
    """Return the backend of every slot, in proportion to the weights.

    Whoever has a weight gets at least one slot. Members that are not ready get none if others are; if nobody has a
    weight, all members are equal, since an answer is better than none.
    """
    ready = [member for member in members if member.ready and member.weight] or [
        member for member in members if member.ready
    ]
    wanted = {member.backend: member.weight for member in ready or members}
    if not any(wanted.values()):
        wanted = dict.fromkeys(wanted, 1)
    counts = _apportioned(wanted)
    return tuple(backend for backend in sorted(counts) for _ in range(counts[backend]))


def _apportioned(wanted: Mapping[str, int]) -> dict[str, int]:
    """Divide the slots by the largest remainder, at least one for everybody who has a weight."""
    parts = dict(sorted((backend, weight) for backend, weight in wanted.items() if weight))
    total = sum(parts.values())
    counts = {backend: max(1, weight * SLOTS // total) for backend, weight in parts.items()}
    by_remainder = sorted(parts, key=lambda backend: (-(parts[backend] * SLOTS % total), backend))
    for backend in by_remainder[: max(0, SLOTS - sum(counts.values()))]:
        counts[backend] += 1
    while sum(counts.values()) > SLOTS:
        counts[max(counts, key=lambda backend: (counts[backend], backend))] -= 1
    return counts
