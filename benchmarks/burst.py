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
_WORLDS: tuple[World, ...] = ("plain", "mixed")


def run(context: Context) -> Iterator[Finding]:
    """Measure both worlds at the promised size."""
    for world in _WORLDS:
        with standing(context, world, context.large) as made:
            seconds, reloads = [], []
            for turn in context.turns(full=3, quick=1):
                before = made.proxy.reloads
                seconds.append(_burst(made, world, context.large + 1000 * (turn + 1)))
                reloads.append(made.proxy.reloads - before)
        name = f"{BURST} {world} services created at once, {context.large:,} there"
        yield Measurement(f"{name}: last one created to all routed", median(seconds), "s", _PROMISED)
        yield Measurement(f"{name}: reloads", max(reloads), "", _RELOADS)


def _burst(made: Standing, world: World, first: int) -> float:
    """Create services, wait until all are routed, and remove them; return the seconds from the last creation on."""
    wanted = [service(world, number, made.origin).request for number in range(first, first + BURST)]
    created = made.engine.timed("extend", world, first, BURST, made.origin)
    seconds = _all_routed(made, [each for each in wanted if each]) - created
    made.engine.call("remove", first, BURST)
    gone = next(each for each in wanted if each)
    eventually(lambda: status(made.proxy.http, gone) != 200, "the services are gone")
    return seconds


def _all_routed(made: Standing, wanted: Sequence[Request]) -> float:
    """Return when the last of some requests was answered with 200."""
    for request in reversed(wanted):
        eventually(lambda each=request: status(made.proxy.http, each) == 200, f"{request} is routed")  # type: ignore[misc]
    return time.monotonic()
