"""Whether one form of a service keeps somebody out whom another one lets in, as far as its labels tell."""

import re
from collections.abc import Iterable, Iterator, Sequence

from models.labels._table import Row
from models.service import DESTINATION_FAMILIES, TABLE, Destination, ProxyService

_KEEPS_OUT = re.compile(r"\b(deny|reject|tarpit|silent-drop|auth)\b")
"""What lines of HAProxy's configuration say that let somebody not through."""
_DECIDES = tuple(
    row for row in TABLE.values() if row.family in DESTINATION_FAMILIES and (row.label.restricts or row.label.opens)
)


def narrows(wanted: ProxyService, last: ProxyService) -> bool:
    """Return whether ``wanted`` restricts access in any way in which ``last`` does not.

    What restricts otherwise counts as more, since it may be. Destinations are compared by their index, and one that is
    new with all that there were: its requests may be those that one of these answers.
    """
    return any(_narrows(each, _counterparts(each, last.destinations)) for each in wanted.destinations)


def _counterparts(wanted: Destination, last: Sequence[Destination]) -> Sequence[Destination]:
    return [each for each in last if each.index == wanted.index] or last


def _narrows(wanted: Destination, last: Iterable[Destination]) -> bool:
    return any(_is_stricter(row, wanted, each) for each in last for row in _DECIDES) or any(
        line not in each.custom.backend_extra for each in last for line in _lines_that_keep_out(wanted)
    )


def _is_stricter(row: Row, wanted: Destination, last: Destination) -> bool:
    value, before, unsaid = (_value(row, each) for each in (wanted, last, Destination()))
    return value != before and (before if row.label.opens else value) != unsaid


def _value(row: Row, destination: Destination) -> object:
    return getattr(getattr(destination, row.family), row.field)


def _lines_that_keep_out(destination: Destination) -> Iterator[str]:
    return (line for line in destination.custom.backend_extra if _KEEPS_OUT.search(line))
