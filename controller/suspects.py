"""Whom to ask HAProxy about when it refuses a configuration: groups of services that bring the same lines. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from render.files import Rendered
from render.reduced import reduced

_OWN = re.compile(r"    server |backend \S+ ")
"""Lines that have names and addresses of their own, in which no two services are alike and which are never refused."""


@dataclass(frozen=True)
class Suspects:
    """The services that have lines in a configuration; what is asked about one of a group goes for all of it."""

    rendered: Rendered

    def groups(self, services: Iterable[str]) -> list[tuple[str, ...]]:
        """Divide services into groups, those without any line left out."""
        found: dict[tuple[str, ...], list[str]] = {}
        for service in services:
            if lines := self._lines.get(service):
                found.setdefault(tuple(filter(None, map(_comparable, lines))), []).append(service)
        return [tuple(group) for group in found.values()]

    def alone(self, services: Iterable[str]) -> Rendered:
        """Return the configuration of some services alone; none refers to what is another's."""
        return reduced(self.rendered, frozenset(services))

    @cached_property
    def _lines(self) -> Mapping[str, list[str]]:
        """The lines of each service, by its name."""
        found: dict[str, list[str]] = {}
        for service, line in _owned_lines(self.rendered):
            found.setdefault(service, []).append(line)
        return found


def _owned_lines(rendered: Rendered) -> Iterator[tuple[str, str]]:
    owners = rendered.owners
    for number, line in enumerate(rendered.config.split("\n"), start=1):
        for service in owners.get(number, ()):
            yield service, line


def _comparable(line: str) -> str:
    """Return what two services that bring the same have in common of a line."""
    return _OWN.split(line, maxsplit=1)[-1] if line.startswith("backend ") else "" if _OWN.match(line) else line
