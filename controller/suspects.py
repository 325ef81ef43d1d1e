"""Whom to ask HAProxy about when it refuses a configuration: groups of services that bring the same lines. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache

from render.files import Rendered
from render.reduced import reduced

_OWN = re.compile(r"    server |backend \S+ ")
"""Lines that have names and addresses of their own, in which no two services are alike and which are never refused."""
_WORD = re.compile(r"[\w.:-]+")


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

    def alone(self, services: Iterable[str], without: Iterable[str] = ()) -> Rendered:
        """Return the configuration of some services alone, with those that they refer to, less those ``without``."""
        wanted: set[str] = set()
        waiting = set(services)
        while waiting:
            wanted |= waiting
            waiting = {each for service in waiting for each in self.companions(service)} - wanted
        return reduced(self.rendered, wanted.difference(without))

    def companions(self, service: str) -> frozenset[str]:
        """Return the services whose backends a service's lines refer to, such as by their tables."""
        return self._companions.get(service, frozenset())

    @cached_property
    def _companions(self) -> Mapping[str, frozenset[str]]:
        backends = self.rendered.backends
        words_of = lru_cache(maxsize=None)(lambda line: frozenset(_WORD.findall(line)) & backends.keys())
        found: dict[str, frozenset[str]] = {}
        for service, lines in self._lines.items():
            named = {backend for line in lines for backend in words_of(line)}
            if others := {each for backend in named for each in backends[backend].services} - {service}:
                found[service] = frozenset(others)
        return found

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
