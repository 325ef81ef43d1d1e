"""Whom to ask HAProxy about when it refuses a configuration: groups of services that bring the same lines. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from render.files import Rendered
from render.reduced import reduced

Lines = tuple[str, ...]
"""What is comparable of the lines of a service, by the pieces of the configuration that they are in."""
Group = tuple[str, ...]
"""Services that bring the same lines: all of them are good or bad."""

_OWN = re.compile(r"    server |backend \S+ ")
"""Lines that have names and addresses of their own, in which no two services are alike and which are never refused."""


@dataclass(frozen=True)
class Suspects:
    """The services that have lines in a configuration; what is asked about one of a group goes for all of it."""

    rendered: Rendered

    def groups(self, services: Iterable[str]) -> dict[Lines, Group]:
        """Divide services into groups by what they bring, those without any line left out."""
        found: dict[Lines, list[str]] = {}
        for service in services:
            if lines := self._lines.get(service):
                found.setdefault(tuple(filter(None, lines)), []).append(service)
        return {lines: tuple(group) for lines, group in found.items()}

    def alone(self, services: Iterable[str]) -> Rendered:
        """Return the configuration of some services alone; none refers to what is another's."""
        return reduced(self.rendered, frozenset(services))

    @cached_property
    def _lines(self) -> Mapping[str, list[str]]:
        """What is comparable of the lines of each service, by its name."""
        found: dict[str, list[str]] = {}
        for block, numbers in zip(self.rendered.blocks, self.rendered.line_numbers, strict=True):
            lines = block.text.split("\n")
            if block.owners:
                has_own = "    server " in block.text or "backend " in block.text
                text = "\n".join(filter(None, map(_comparable, lines))) if has_own else block.text
                for service in block.owners:
                    found.setdefault(service, []).append(text)
            else:
                for service, line in _owned_lines(lines, numbers.start, self.rendered.owners):
                    found.setdefault(service, []).append(_comparable(line))
        return found


def unread(rendered: Rendered, last: int) -> frozenset[str]:
    """Return the services with lines behind the ``last`` that HAProxy has read, but for lines that it never refuses."""
    lines = rendered.config.split("\n")[last:]
    behind = (pair for pair in _owned_lines(lines, last + 1, rendered.owners) if not _OWN.match(pair[1]))
    return frozenset(service for service, line in behind if line)


def _owned_lines(lines: Iterable[str], first: int, owners: Mapping[int, tuple[str, ...]]) -> Iterator[tuple[str, str]]:
    """Give each service with each of its lines; ``first`` is the number of the first line."""
    for number, line in enumerate(lines, first):
        for service in owners.get(number, ()):
            yield service, line


def _comparable(line: str) -> str:
    """Return what two services that bring the same have in common of a line."""
    return _OWN.split(line, maxsplit=1)[-1] if line.startswith("backend ") else "" if _OWN.match(line) else line
