"""300 services created at once: how long until each of them is routed, by a proxy with a large world already."""

import time
from collections.abc import Iterator, Sequence

from benchmarks.context import Context
from benchmarks.control_plane import BURST
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.roles import Standing, eventually, standing, status
from benchmarks.world import Request, World, service

_PROMISED = Limit(at_most=2)
_RELOADS = Limit(at_most=1)
_TOLD = 0.5
"""Seconds after which a proxy has told of what it has just done."""
_WORLDS: tuple[World, ...] = ("plain", "mixed")


def run(context: Context) -> Iterator[Finding]:
    """Measure both worlds at the promised size."""
    for world in _WORLDS:
        with standing(context, world, context.large) as made:
            seconds, reloads = [], []
            for turn in context.turns(full=3, quick=1):
                took, reloaded = _burst(made, world, context.large + 1000 * (turn + 1))
                seconds.append(took)
                reloads.append(reloaded)
        name = f"{BURST} {world} services created at once, {context.large:,} there"
        yield Measurement(f"{name}: last one created to all routed", median(seconds), "s", _PROMISED)
        yield Measurement(f"{name}: reloads", max(reloads), "", _RELOADS)


def _burst(made: Standing, world: World, first: int) -> tuple[float, int]:
    """Create services, wait until all are routed, and remove them.

    Returns the seconds from the last creation on until all were routed, and the reloads until then.
    """
    requests = [service(world, number, made.origin).request for number in range(first, first + BURST)]
    wanted = [each for each in requests if each]
    before = made.proxy.reloads
    created = made.engine.timed("extend", world, first, BURST, made.origin)
    seconds = _all_routed(made, wanted) - created
    time.sleep(_TOLD)
    reloads = made.proxy.reloads - before
    made.engine.call("remove", first, BURST)
    for request in (wanted[0], wanted[-1]):
        eventually(lambda each=request: status(made.proxy.http, each) != 200, "the services are gone")  # type: ignore[misc]
    return seconds, reloads


def _all_routed(made: Standing, wanted: Sequence[Request]) -> float:
    """Return when the last of some requests was answered with 200."""
    for request in reversed(wanted):
        eventually(lambda each=request: status(made.proxy.http, each) == 200, f"{request} is routed")  # type: ignore[misc]
    return time.monotonic()
