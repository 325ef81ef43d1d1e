"""HAProxy's statistics as Prometheus metrics, under the names that DFP gave them.

Source: DFP's ``/metrics`` (the names, labels and types of haproxy_exporter 0.9); columns: Management guide 9.1.

A world of 5,000 services has more than 200,000 such series, which takes a client library two seconds to write. They
are written here, line by line, and there is a bound: of the `MOST_DETAILED` busiest backends and servers there is
everything, of all others only whether they are up.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from types import MappingProxyType

from controller.errors import SwarmgateError
from controller.rhythm import Rhythm
from render.sections import is_own

MOST_DETAILED = 2000
"""Backends and servers of which everything is told."""
_FRESH = 1.0
"""Seconds for which an answer of HAProxy's is told again: asking costs it the more the more services there are."""
_AHEAD = 0.4
"""Seconds before an expected scrape that its answer is made: longer than that takes, and less than it stays fresh."""
_INTERNAL = frozenset({"swarmgate"})
"""Frontends for the controller only."""
_UP = frozenset({"OPEN", "no check"})

_SESSIONS: Mapping[str, str] = MappingProxyType(
    {
        "scur": "current_sessions",
        "smax": "max_sessions",
        "slim": "limit_sessions",
        "stot": "connections_total",
        "bin": "bytes_in_total",
        "bout": "bytes_out_total",
    }
)
_BACKEND: Mapping[str, str] = MappingProxyType(
    {
        "qcur": "current_queue",
        "qmax": "max_queue",
        **_SESSIONS,
        "econ": "connection_errors_total",
        "eresp": "response_errors_total",
        "wretr": "retry_warnings_total",
        "wredis": "redispatch_warnings_total",
        "weight": "weight",
        "rate": "current_session_rate",
        "rate_max": "max_session_rate",
    }
)
_FRONTEND: Mapping[str, str] = MappingProxyType(
    {
        **_SESSIONS,
        "dreq": "requests_denied_total",
        "ereq": "request_errors_total",
        "rate": "current_session_rate",
        "rate_lim": "limit_session_rate",
        "rate_max": "max_session_rate",
        "req_tot": "http_requests_total",
    }
)
_SERVER: Mapping[str, str] = MappingProxyType(
    {
        **_BACKEND,
        "chkfail": "check_failures_total",
        "downtime": "downtime_seconds_total",
        "check_duration": "check_duration_milliseconds",
    }
)
_RESPONSES: Mapping[str, str] = MappingProxyType(
    {f"hrsp_{code}": code for code in ("1xx", "2xx", "3xx", "4xx", "5xx", "other")}
)
_HELP: Mapping[str, str] = MappingProxyType(
    {
        "bytes_in_total": "Bytes from clients.",
        "bytes_out_total": "Bytes to clients.",
        "check_duration_milliseconds": "How long the last health check took.",
        "check_failures_total": "Health checks that failed.",
        "connection_errors_total": "Connections to servers that failed.",
        "connections_total": "Sessions.",
        "current_queue": "Requests that wait for a server now.",
        "current_session_rate": "New sessions within the last second.",
        "current_sessions": "Sessions now.",
        "downtime_seconds_total": "Seconds of being down.",
        "http_requests_total": "HTTP requests.",
        "http_responses_total": "HTTP responses by the class of their status.",
        "limit_session_rate": "Most new sessions a second.",
        "limit_sessions": "Most sessions at once.",
        "max_queue": "Most requests that ever waited at once.",
        "max_session_rate": "Most new sessions that ever were within a second.",
        "max_sessions": "Most sessions that ever were at once.",
        "redispatch_warnings_total": "Requests that were sent to another server.",
        "request_errors_total": "Requests that were faulty.",
        "requests_denied_total": "Requests that were denied.",
        "response_errors_total": "Responses that were faulty.",
        "retry_warnings_total": "Connections to servers that were tried again.",
        "up": "Whether it is up (1) or not (0).",
        "weight": "Weight, of a backend that of all its servers.",
    }
)


@dataclass(frozen=True, slots=True)
class _Kind:
    """What is told of the rows of one type: how series begin, how labels are written, and the metric of each column."""

    prefix: str
    labels: Callable[[str, str], str]
    columns: Mapping[str, str]
    has_up: bool = True


_KINDS: Mapping[str, _Kind] = MappingProxyType(
    {
        "0": _Kind("haproxy_frontend_", lambda name, _: f'frontend="{name}"', _FRONTEND, has_up=False),
        "1": _Kind("haproxy_backend_", lambda name, _: f'backend="{name}"', _BACKEND),
        "2": _Kind("haproxy_server_", lambda name, server: f'backend="{name}",server="{server}"', _SERVER),
    }
)
"""By HAProxy's number of a row's type; the others are listening sockets."""


_Row = tuple[str, str, str, str]
"""Of a row of the table its labels as they are written, sessions, status, and its line, of which little is taken apart.

There are thousands, with a hundred fields each.
"""
_Detailed = tuple[str, Sequence[str]]
"""The labels of a row as they are written, and its fields."""


class HAProxyMetrics:
    """Asks for statistics (``show stat`` as CSV) at each scrape, once a second at most, however many ask.

    Whoever scrapes at regular intervals, as Prometheus does, finds the answer made a moment before, and does not wait.
    """

    def __init__(
        self, statistics: Callable[[], Awaitable[str]], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._statistics = statistics
        self._clock = clock
        self._turn = asyncio.Lock()
        self._last: tuple[float, bytes] | None = None
        self._rhythm = Rhythm()
        self._preparing: asyncio.Task[bytes] | None = None
        self._scrapes = 0
        self._failures = 0

    async def scrape(self) -> bytes:
        """Return everything in the Prometheus text format; ``haproxy_up`` is 0 if HAProxy does not answer."""
        now = self._clock()
        expected = self._rhythm.came(now)
        if expected is not None and expected - now > _FRESH:
            asyncio.get_running_loop().call_later(expected - now - _AHEAD, self._prepare)
        return await self._fresh()

    def _prepare(self) -> None:
        self._preparing = asyncio.create_task(self._fresh(at_most=0.0))

    async def _fresh(self, *, at_most: float = _FRESH) -> bytes:
        """Return an answer that is younger than some seconds."""
        async with self._turn:
            if self._last is None or self._clock() - self._last[0] >= at_most:
                self._last = (self._clock(), await self._scraped())
                asyncio.get_running_loop().call_later(_FRESH, self._forget, self._last)
            return self._last[1]

    def _forget(self, answer: tuple[float, bytes]) -> None:
        """Let go of an answer that is not told again: it may be megabytes long."""
        if self._last is answer:
            self._last = None

    async def _scraped(self) -> bytes:
        self._scrapes += 1
        try:
            table = await self._statistics()
        except SwarmgateError:
            return self._own(is_up=False)
        try:
            return self._own(is_up=True) + await asyncio.to_thread(exposition, table)
        except ValueError:
            self._failures += 1
            return self._own(is_up=True)

    def _own(self, *, is_up: bool) -> bytes:
        lines = (
            *_heading("haproxy_up", "Whether HAProxy answered."),
            f"haproxy_up {int(is_up)}\n",
            *_heading("haproxy_exporter_total_scrapes", "How often HAProxy was asked.", "counter"),
            f"haproxy_exporter_total_scrapes {self._scrapes}\n",
            *_heading("haproxy_exporter_csv_parse_failures", "Answers that could not be read.", "counter"),
            f"haproxy_exporter_csv_parse_failures {self._failures}\n",
        )
        return "".join(lines).encode()


def exposition(table: str, *, most: int = MOST_DETAILED) -> bytes:
    """Return statistics in the Prometheus text format, in detail for ``most`` backends and servers.

    Raises:
        ValueError: it is no table of statistics.
    """
    heading, *lines = table.split("\n")
    columns = {name: number for number, name in enumerate(heading.removeprefix("# ").split(","))}
    wanted = {"status", "type", "stot", *_FRONTEND, *_BACKEND, *_SERVER, *_RESPONSES}
    if not wanted <= columns.keys():
        raise ValueError("no statistics of HAProxy")
    rows = _rows(lines, columns)
    last = max(columns[name] for name in wanted)
    chosen, left_out = _detailed(rows, most)
    written: list[str] = []
    for number, kind in _KINDS.items():
        # What follows the last field is much longer, and may have commas in quotes.
        detailed = [(labels, line.split(",", last + 1)) for labels, _, _, line in chosen[number]]
        written += _lines(kind, detailed, columns)
        if kind.has_up:
            written += _up(kind, rows[number])
    written += _heading("swarmgate_haproxy_without_details", "Backends and servers of which only haproxy_*_up is told.")
    written.append(f"swarmgate_haproxy_without_details {left_out}\n")
    return "".join(written).encode()


def _rows(lines: Iterable[str], columns: Mapping[str, int]) -> Mapping[str, list[_Row]]:
    """Return the rows of each kind."""
    picked = [columns[name] for name in ("pxname", "svname", "stot", "status", "type")]
    pick, last = itemgetter(*picked), max(picked)
    rows: dict[str, list[_Row]] = {number: [] for number in _KINDS}
    for line in lines:
        fields = line.split(",", last + 1)
        if len(fields) <= last:
            continue
        name, server, sessions, status, number = pick(fields)
        if number in rows and name not in _INTERNAL and not is_own(name):
            rows[number].append((_KINDS[number].labels(name, server), sessions, status, line))
    return rows


def _detailed(rows: Mapping[str, list[_Row]], most: int) -> tuple[Mapping[str, list[_Row]], int]:
    """Return the rows of which everything is told, and the number of the others: the busiest ones if there are many."""
    bounded = [row for number, kind in _KINDS.items() if kind.has_up for row in rows[number]]
    if len(bounded) <= most:
        return rows, 0
    bounded.sort()
    bounded.sort(key=lambda row: int(row[1] or 0), reverse=True)
    chosen = {labels for labels, *_ in bounded[:most]}
    return {
        number: [row for row in rows[number] if row[0] in chosen] if kind.has_up else rows[number]
        for number, kind in _KINDS.items()
    }, len(bounded) - most


def _lines(kind: _Kind, rows: Sequence[_Detailed], columns: Mapping[str, int]) -> Iterator[str]:
    for column, metric in kind.columns.items():
        name, number = kind.prefix + metric, columns[column]
        yield from _heading(name, _HELP[metric])
        yield from [f"{name}{{{labels}}} {row[number]}\n" for labels, row in rows if row[number].isdigit()]
    name = f"{kind.prefix}http_responses_total"
    yield from _heading(name, _HELP["http_responses_total"])
    for column, code in _RESPONSES.items():
        number = columns[column]
        yield from [
            f'{name}{{{labels},code="{code}"}} {row[number]}\n' for labels, row in rows if row[number].isdigit()
        ]


def _up(kind: _Kind, rows: Sequence[_Row]) -> Iterator[str]:
    name = f"{kind.prefix}up"
    yield from _heading(name, _HELP["up"])
    is_up = {status: int(_is_up(status)) for _, _, status, _ in rows}
    yield from [f"{name}{{{labels}}} {is_up[status]}\n" for labels, _, status, _ in rows]


def _is_up(status: str) -> bool:
    """Return whether a status means that requests are taken; a server on its way down still takes some."""
    return status in _UP or status.startswith("UP")


def _heading(name: str, words: str, type_: str = "gauge") -> tuple[str, str]:
    return f"# HELP {name} {words}\n", f"# TYPE {name} {type_}\n"
