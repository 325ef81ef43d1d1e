"""Who has written lines among those that are for all: the comments above them say so (``noted.cfg.j2``)."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

_NOTE = re.compile(r"    # (?P<count>\d+) lines of (?P<kind>service|variable) (?P<name>\S+):")
_FIRST_NOTE = re.compile(rf"\n{_NOTE.pattern}(?=\n)")


@dataclass(frozen=True, slots=True)
class Ownership:
    """Lines by their number (from 1): those of services with their owners, and those of the operator's variables."""

    owners: Mapping[int, tuple[str, ...]]
    variables: Mapping[int, str]


def split_at_note(text: str) -> tuple[str, str]:
    """Divide a text before the first line that says who has written those that follow; without one, behind its end."""
    note = _FIRST_NOTE.search(text)
    return (text[: note.start()], text[note.start() :]) if note else (text, "")


def service_noted(line: str) -> str | None:
    """Return the service whose lines follow, if a line says so."""
    match = _NOTE.fullmatch(line)
    return match["name"] if match and match["kind"] == "service" else None


def lines_noted_in(text: str) -> Ownership:
    """Return the lines of a text that somebody in particular has written."""
    owners: dict[int, tuple[str, ...]] = {}
    variables: dict[int, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        match = _NOTE.fullmatch(line)
        if match is None:
            continue
        written = range(number + 1, number + 1 + int(match["count"]))
        if match["kind"] == "service":
            owners.update(dict.fromkeys(written, (match["name"],)))
        else:
            variables.update(dict.fromkeys(written, match["name"]))
    return Ownership(owners, variables)
