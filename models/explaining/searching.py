"""The search for a request's backend, in the tables and the order in which HAProxy looks it up (`models.routing`)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from models.explaining.testing import Facts, all_hold
from models.routing import ACME_PREFIX, ACME_TIER, ANY_DOMAIN, BETWEEN_IDS, BETWEEN_PATTERNS, DEFAULT_TIER, RoutingTable
from models.traffic import NAME_MARK


@dataclass(frozen=True, slots=True)
class Found:
    """What the tables lead to: a backend or the name of a split; None if nobody answers.

    ``is_sure`` is False if a test that comes before cannot be done here.
    """

    name: str | None
    is_sure: bool = True


def search(table: RoutingTable, host: str, path: str, facts: Facts) -> Found:
    """Look a request up; routes of templates, which come before the table's ``default``, are left out."""
    route = _route(table, host, path)
    candidates, _, certain = route.rpartition(BETWEEN_IDS)
    wanted = frozenset(filter(None, candidates.split(BETWEEN_IDS)))
    is_sure = True
    for rule in table.rules if wanted else ():
        if rule.id not in wanted:
            continue
        result = all_hold(rule.predicates, facts)
        if result:
            return Found(rule.backend, is_sure)
        is_sure = is_sure and result is not None
    return Found(certain or None, is_sure)


def shares(table: RoutingTable, name: str) -> Mapping[str, int]:
    """Return how many slots of a split each backend has; none if it is the name of a backend."""
    found: dict[str, int] = {}
    if NAME_MARK not in name:
        return found
    for slot, backend in table.splits.items():
        if slot.rpartition("#")[0] == name:
            found[backend] = found.get(backend, 0) + 1
    return found


def _route(table: RoutingTable, host: str, path: str) -> str:
    """Return what is found: candidates and, at the end, a backend; one part after the other until there is one."""
    route = ""
    for part in _parts(table, host, path):
        route += part
        if not route.endswith(BETWEEN_IDS):
            break
    return route


def _parts(table: RoutingTable, host: str, path: str) -> Iterator[str]:
    for key in _keys(table, host, path):
        if (whole := table.exacts.get(key)) is not None:
            yield whole
        if (beginning := _by_beginning(table.prefixes, key)) is not None:
            yield beginning


def _keys(table: RoutingTable, host: str, path: str) -> Iterator[str]:
    """Yield the keys that are looked up, most specific first."""
    for tier in table.tiers:
        if tier == ACME_TIER and not path.startswith(ACME_PREFIX):
            continue
        yield from (f"{pattern}{tier}#{path}" for pattern in _patterns(table, host))
        yield path if tier == DEFAULT_TIER else f"{ANY_DOMAIN}{tier}#{path}"
        if tier == DEFAULT_TIER:
            yield f"{ANY_DOMAIN}{DEFAULT_TIER}#"


def _patterns(table: RoutingTable, host: str) -> Iterator[str]:
    """Yield the domain patterns that a host matches, most specific first."""
    if (domain := table.domains.get(host)) is not None:
        yield domain
    endings = (host[start:] for start in range(len(host)))
    chain = next((table.wildcards[ending] for ending in endings if ending in table.wildcards), "")
    yield from filter(None, chain.split(BETWEEN_PATTERNS))


def _by_beginning(entries: Mapping[str, str], key: str) -> str | None:
    """Return the value of the longest key that another one begins with."""
    lengths = range(len(key), 0, -1)
    return next((value for length in lengths if (value := entries.get(key[:length])) is not None), None)
