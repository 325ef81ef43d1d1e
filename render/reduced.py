"""A part of a configuration: what is for all, and the lines of some services, to ask HAProxy about these alone.

Most rules of a profile are those of all others, and reading them is most of HAProxy's work. So it is asked about each
rule once: one that an earlier profile has is left out, since it would say the same of it.
"""

from collections.abc import Iterator, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from itertools import islice

from render import records
from render.files import Rendered
from render.noted import service_noted, split_at_note
from render.sections import Section, SectionKind

_TO_ASK = Section(SectionKind.CORE, "questions", "\nglobal\n    httpclient.ssl.verify none\n")
"""Spares each question the loading of all the system's certificates (HAProxy 3.0 and later), half of what it takes.

So does the core itself (`core.cfg.j2`), but where lines of the operator's may need them once HAProxy runs.
"""
_TELLING = frozenset({records.SPLITS})
"""Maps that tell whose lines are whose."""
_RULES = ("http-request", "http-response", "http-after-response")
_BEGINNINGS = tuple(f"    {kind} " for kind in _RULES)
_ACL = "    acl "


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
    asked = set[str]()
    for section, block, numbers in zip(rendered.sections, rendered.blocks, rendered.line_numbers, strict=False):
        if not block.owners:
            yield replace(section, text=_text(block.text, numbers.start, rendered.owners, services))
        elif not services.isdisjoint(block.owners):
            is_profile = section.kind is SectionKind.PROFILE
            text = _without_asked(section.text, asked) if is_profile else section.text
            yield replace(section, text=text, owners=block.owners)


def _without_asked(text: str, asked: set[str]) -> str:
    """Return a profile without the rules that have been ``asked`` about, and without ACLs that only these need.

    The first rule of each kind stays, for HAProxy has something to say of their order; and so does all that somebody in
    particular has written, with the comment that counts its lines.
    """
    common, written = split_at_note(text)
    firsts = {_first(kind, common) for kind in _RULES}
    lines = [line for line in common.split("\n") if line not in asked or line in firsts]
    asked.update(line for line in lines if line.startswith(_BEGINNINGS))
    others = "\n".join((*(line for line in lines if not line.startswith(_ACL)), written))
    kept = (line for line in lines if not line.startswith(_ACL) or line.split(maxsplit=2)[1] in others)
    return "\n".join(kept) + written


def _first(kind: str, text: str) -> str:
    """Return the first line of a kind; empty if there is none."""
    begin = text.find(f"\n    {kind} ") + 1
    end = text.find("\n", begin)
    return text[begin : end if end >= 0 else None] if begin else ""


def _text(text: str, first: int, owners: Mapping[int, tuple[str, ...]], services: AbstractSet[str]) -> str:
    """Return the lines of a text that are for all or for some of the services; ``first`` is the first one's number."""
    kept = []
    for number, line in enumerate(text.split("\n"), start=first):
        noted = service_noted(line)
        whose = owners.get(number) or (noted and (noted,))
        if not whose or not services.isdisjoint(whose):
            kept.append(line)
    return "\n".join(kept)
