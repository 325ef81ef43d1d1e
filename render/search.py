"""`Search`: the lookups by which HAProxy finds the backend of a request, in order of precedence (`models.routing`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.proxy import Desired
from models.routing import ACME_TIER, ANY_DOMAIN, BETWEEN_PATTERNS, DEFAULT_TIER, RoutingTable
from models.settings import ProxySettings
from render import records

_SPARE_WILDCARDS = 2
"""Wildcards that one host may match before the lookup rules have to grow, which takes a reload."""

_PATH, _HOST, _CHALLENGE = "txn.path", "txn.host", "txn.challenge"
_BY_PREFIX = f"map_beg({records.PREFIXES})"
_ELSE = rf"str({ANY_DOMAIN}{DEFAULT_TIER}\#),{_BY_PREFIX}"
"""What answers whatever no path and no domain does."""


@dataclass(frozen=True, slots=True)
class Lookup:
    """One lookup: a sample expression, and the variables that a request has if it is for it."""

    sample: str
    variables: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Search:
    """All lookups that a request may need.

    Where that can be told of a request at once, ``plain`` are samples for those of which nothing but the path counts.
    The last one of them finds what answers everything else, too, if something does (`everything_else`). Where
    there are none, all requests take the same way.
    """

    lookups: tuple[Lookup, ...]
    plain: tuple[str, ...] = ()


def search_of(desired: Desired, settings: ProxySettings) -> Search:
    """Return the lookups for the routes of a world."""
    table = desired.routing
    lines = settings.extra_lines.frontend or settings.extra_lines.rules
    is_plain = table.tiers == (ACME_TIER, DEFAULT_TIER) and not (table.rules or table.splits)
    is_alone = not (desired.own_routes or desired.passthrough.shared or lines)
    lookups = tuple(_lookups(table))
    if not (is_plain and is_alone):
        return Search(lookups)
    return Search(lookups, tuple(f"path,{lookup}" for lookup in _by_path(table)))


def everything_else(table: RoutingTable) -> Mapping[str, str]:
    """Return the entry by which the lookup of a path finds what answers everything else; empty if nothing does.

    It counts if nobody claims all paths.
    """
    answer = table.prefixes.get(f"{ANY_DOMAIN}{DEFAULT_TIER}#")
    return {"/": answer} if answer else {}


def _lookups(table: RoutingTable) -> Iterator[Lookup]:
    for tier in table.tiers:
        challenge = (_CHALLENGE,) if tier == ACME_TIER else ()
        for pattern in _patterns(table):
            key = rf"{pattern},concat({tier}\#,{_PATH})"
            yield from (Lookup(f"{key},{lookup}", (*challenge, _HOST)) for lookup in _by_path(table))
        any_host = rf"str({ANY_DOMAIN}),concat({tier}\#,{_PATH})" if tier != DEFAULT_TIER else f"var({_PATH})"
        yield from (Lookup(f"{any_host},{lookup}", challenge) for lookup in _by_path(table))
        if tier == DEFAULT_TIER:
            yield Lookup(_ELSE)


def _patterns(table: RoutingTable) -> Iterator[str]:
    """Give samples of the domain patterns that a request's host may match, most specific first."""
    yield f"var({_HOST}),map_str({records.DOMAINS})"
    for number in range(1, 1 + max(_SPARE_WILDCARDS, table.nested_wildcards)):
        yield f"var({_HOST}),map_end({records.WILDCARDS}),field({number},{BETWEEN_PATTERNS})"


def _by_path(table: RoutingTable) -> tuple[str, ...]:
    """Return the converters that look up a path; whole paths are only looked up if any are claimed."""
    return (f"map_str({records.EXACTS})", _BY_PREFIX) if table.exacts else (_BY_PREFIX,)
