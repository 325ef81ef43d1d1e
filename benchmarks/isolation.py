"""1,000 services of which 20 have labels that HAProxy refuses: how long until all others are served."""

from collections.abc import Iterator

from benchmarks.context import Context
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.roles import Standing, eventually, standing, status
from benchmarks.world import Request, World, service

_SIZE, _BAD = 1_000, 20
_LIMIT = Limit(at_most=3)
_OTHERS = 10
_WORLDS: dict[World, str] = {
    "faulty": f"{_SIZE:,} services of all kinds, {_BAD} bad: good ones live",
    "spoilt": f"{_SIZE:,} services, each with a rewriting of its own, {_BAD} bad: good ones live",
}
"""The second is the worst that there is: a section of its own for each."""
_EACH = 50
"""Of so many good services one is asked for while the time runs: asking takes time, too. Then all of them are."""


def run(context: Context) -> Iterator[Finding]:
    """Measure them all created at once."""
    rounds = context.rounds(full=5, quick=2)
    for world, name in _WORLDS.items():
        with standing(context, "plain", _OTHERS) as made:
            taken = [_created(made, world, _OTHERS + _SIZE * turn) for turn in range(rounds)]
        yield Measurement(name, median(taken), "s", _LIMIT, note="0.2 s of it are to wait for more")


def _created(made: Standing, world: World, first: int) -> float:
    """Create services, wait until the good ones are routed, and remove all; return the seconds since the last one."""
    wanted = [service(world, number, made.origin) for number in range(first, first + _SIZE)]
    bad = [each for each in wanted if each.kind == "refused"]
    good = [each.request for each in wanted if each.request]
    if len(bad) != _BAD:
        raise RuntimeError(f"{len(bad)} are bad")
    created = made.engine.timed("extend", world, first, _SIZE, made.origin)
    for request in good[-1::-_EACH]:
        routed = eventually(lambda each=request: _is_served(made, each), f"{request} is routed")  # type: ignore[misc]
    if missing := [request for request in good if not _is_served(made, request)]:
        raise RuntimeError(f"{len(missing)} are not served when the others are, {missing[0]} among them")
    made.engine.call("remove", first, _SIZE)
    eventually(lambda: not _is_served(made, good[0]), "the services are gone")
    return routed - created


def _is_served(made: Standing, request: Request) -> bool:
    return status(made.proxy.http, request) == 200
