"""1,000 services of which 20 have labels that HAProxy refuses: how long until all others are served."""

from collections.abc import Iterator

from benchmarks.context import Context
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.roles import Standing, eventually, standing, status
from benchmarks.world import service

_SIZE = 1_000
_LIMIT = Limit(at_most=3)
_NAME = f"{_SIZE:,} services, 20 bad: good ones live"


def run(context: Context) -> Iterator[Finding]:
    """Measure them all created at once, beside as many good ones that are there."""
    with standing(context, "plain", _SIZE) as made:
        taken = [_created(made, _SIZE * (turn + 1)) for turn in range(context.rounds(full=5, quick=2))]
    yield Measurement(
        _NAME, median(taken), "s", _LIMIT, note=f"{_SIZE:,} others there; 0.2 s of it are to wait for more"
    )


def _created(made: Standing, first: int) -> float:
    """Create services, wait until the good ones are routed, and remove all; return the seconds since the last one."""
    wanted = [service("spoilt", number, made.origin).request for number in range(first, first + _SIZE)]
    good = [request for request in wanted if request]
    created = made.engine.timed("extend", "spoilt", first, _SIZE, made.origin)
    for request in reversed(good):
        routed = eventually(lambda each=request: status(made.proxy.http, each) == 200, f"{request} is routed")  # type: ignore[misc]
    made.engine.call("remove", first, _SIZE)
    eventually(lambda: status(made.proxy.http, good[0]) != 200, "the services are gone")
    return routed - created
