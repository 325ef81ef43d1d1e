"""A part of a configuration: what is for all, and the lines of some services, to ask HAProxy about these alone."""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice

from render import records
from render.files import Rendered
from render.noted import service_noted
from render.sections import Section, SectionKind

_TO_ASK = Section(SectionKind.CORE, "questions", "\nglobal\n    httpclient.ssl.verify none\n")
"""Spares each question the loading of all the system's certificates (HAProxy 3.0 and later), half of what it takes."""
_TELLING = frozenset({records.SPLITS})
"""Maps that tell whose lines are whose."""


def reduced(rendered: Rendered, services: AbstractSet[str]) -> Rendered:
    """Return a configuration without the lines that are only other services', and without the entries of maps.

    It is good for nothing but asking HAProxy whether it would load it.
    """
    part = replace(
        rendered,
        maps={name: entries if name in _TELLING else {} for name, entries in rendered.maps.items()},
        map_files={},
        sections=(*_sections(rendered, services), _TO_ASK),
        backends={name: backend for name, backend in rendered.backends.items() if backend.owner in services},
        certificates=dict(islice(rendered.certificates.items(), 1)),
    )
    return replace(part, config="\n".join(block.text for block in part.blocks))


def _sections(rendered: Rendered, services: AbstractSet[str]) -> Iterator[Section]:
    first = 1
    for section, block in zip(rendered.sections, rendered.blocks, strict=False):
        if not block.owners:
            yield replace(section, text=_text(block.text, first, rendered.owners, services))
        elif not services.isdisjoint(block.owners):
            yield replace(section, owners=block.owners)
        first += block.text.count("\n") + 1


def _text(text: str, first: int, owners: Mapping[int, tuple[str, ...]], services: AbstractSet[str]) -> str:
    """Return the lines of a text that are for all or for some of the services; ``first`` is the first one's number."""
    kept = []
    for number, line in enumerate(text.split("\n"), start=first):
        noted = service_noted(line)
        whose = owners.get(number) or (noted and (noted,))
        if not whose or not services.isdisjoint(whose):
            kept.append(line)
    return "\n".join(kept)
