"""Whose every line of the configuration is, so that HAProxy's refusals cost those only who caused them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from render.noted import Ownership, lines_noted_in

_RULE = re.compile(
    r"    (?:use_backend %\[|(?:http-request|tcp-request content) set-var\(txn\.passed\) )str\(([^)]+)\)"
)
"""A rule that chooses one service's backend, among lines that are for all."""


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of the configuration's text, and the services it was written for (none: for all)."""

    text: str
    owners: tuple[str, ...] = ()


def ownership_of(
    blocks: Sequence[Block], line_numbers: Iterable[range], by_backend: Mapping[str, tuple[str, ...]]
) -> Ownership:
    """Find out whose the lines of blocks are, by their numbers; ``by_backend`` are the services of every backend."""
    if not blocks:
        return Ownership({}, {})
    noted = lines_noted_in(blocks[0].text)
    owners = {**_owners(zip(blocks, line_numbers, strict=True), by_backend), **noted.owners}
    return Ownership({line: names for line, names in owners.items() if line not in noted.variables}, noted.variables)


def _owners(
    blocks: Iterable[tuple[Block, range]], by_backend: Mapping[str, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    owners: dict[int, tuple[str, ...]] = {}
    for block, numbers in blocks:
        if block.owners:
            owners.update(dict.fromkeys(numbers, block.owners))
        else:
            owners.update(_rule_owners(numbers.start, block.text, by_backend))
    return owners


def _rule_owners(
    first: int, text: str, by_backend: Mapping[str, tuple[str, ...]]
) -> Iterator[tuple[int, tuple[str, ...]]]:
    """Return whose the rules are in a block that is for all."""
    for number, line in enumerate(text.splitlines(), first):
        match = _RULE.match(line)
        if match and match[1] in by_backend:
            yield number, by_backend[match[1]]
