"""What Prometheus costs: one scrape of a proxy's metrics with a large world, and how long its answer is."""

import time
from collections.abc import Iterator

from benchmarks.context import Context
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.processes import cpu_seconds
from benchmarks.roles import Standing, standing

_PROMISED = Limit(at_most=100)
_BOUND = Limit(at_most=5)
_APART = 1.1
"""Seconds between scrapes, at least: an answer is told again for a second."""
_INTERVAL = 1.5
"""Seconds from the beginning of one to that of the next, as Prometheus has it."""
_UNTIL_REGULAR = 4
"""Scrapes after which a rhythm is known."""


def run(context: Context) -> Iterator[Finding]:
    """Measure it at the promised size, and at the largest one for the length."""
    for size in dict.fromkeys((context.large, max(context.sizes))):
        with standing(context, "plain", size) as made:
            unexpected = [_scrape(made, _APART + 0.5 * (turn % 2)) for turn in context.turns(full=10, quick=4)]
            number, began = _UNTIL_REGULAR + context.rounds(full=10, quick=4), time.monotonic()
            regular = [_scrape(made, began + turn * _INTERVAL - time.monotonic()) for turn in range(1, 1 + number)]
        took, cpu, length = (median(values) for values in zip(*regular[_UNTIL_REGULAR:], strict=True))
        promised = size == context.large
        note = f"{cpu * 1e3:.0f} ms of CPU time, the controller's and HAProxy's"
        name = f"a scrape of a proxy's metrics, {size:,} services"
        yield Measurement(name, took * 1e3, "ms", _PROMISED if promised else None, note=note)
        first = median([each[0] for each in unexpected])
        yield Measurement(f"{name}, at irregular intervals", first * 1e3, "ms")
        yield Measurement(f"{name}: length", length / 1e6, "MB", _BOUND)


def _scrape(made: Standing, apart: float) -> tuple[float, float, float]:
    """Return how long a scrape took and how much CPU time, both in seconds, and the bytes of the answer.

    What the proxies do in the seconds ``apart`` from the last one counts as well: they prepare for it.
    """
    before = _cpu(made)
    time.sleep(apart)
    began = time.monotonic()
    length = len(made.proxy.metrics())
    return time.monotonic() - began, _cpu(made) - before, length


def _cpu(made: Standing) -> float:
    _, worker = made.proxy.haproxy
    return cpu_seconds(made.proxy.process.pid) + cpu_seconds(worker)
