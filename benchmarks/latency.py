"""How long requests take at a rate that the proxy can easily serve, with few and with many services."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack

from benchmarks.contenders import Contender, Write, contender, docker_flow_proxy, hand_written, swarmgate
from benchmarks.context import Context, scratch
from benchmarks.load import Latency, cores, put_rate
from benchmarks.measurement import Curve, Finding, Measurement, median

RATE = 1_600
"""Requests per second."""
_SIZES = (10, 1_000, 5_000)


def run(context: Context) -> Iterator[Finding]:
    """Measure Swarmgate in some sizes, a hand-written configuration and Docker Flow Proxy's beside it, in turns."""
    few, many, sizes = min(context.sizes), context.large, context.some(*_SIZES)
    wanted: list[tuple[str, Write, int]] = [("Swarmgate", swarmgate, size) for size in sizes]
    wanted += [("hand-written HAProxy", hand_written, few)]
    wanted += [("Docker Flow Proxy's configuration", docker_flow_proxy, size) for size in dict.fromkeys((few, many))]
    with scratch() as folder, ExitStack() as stack:
        made: dict[tuple[str, int], Contender] = {}
        for number, (who, write, size) in enumerate(wanted):
            made[who, size] = stack.enter_context(contender(context, write, "plain", size, folder / str(number)))
        found: dict[tuple[str, int], list[Latency]] = {key: [] for key in made}
        for turn in context.turns(full=5, quick=3):
            for key in made if turn % 2 == 0 else reversed(made):
                paths = [each.service.labels["servicePath"] for each in made[key].routes]
                with made[key].awake():
                    seconds = 2 if context.quick else 3
                    answer = put_rate(
                        made[key].port, paths, rate=RATE, seconds=seconds, folder=folder, core=cores().load
                    )
                found[key].append(answer)
    yield from _findings(found, few)


def _findings(found: dict[tuple[str, int], list[Latency]], few: int) -> Iterator[Finding]:
    curve = Curve("latency", f"Latency at {RATE:,} requests per second", "services", "milliseconds")
    for share in (50, 99):
        reference = _at(found["Swarmgate", few], share)
        for (who, size), turns in found.items():
            value = _at(turns, share)
            failed = sum(each.failed for each in turns)
            yield Measurement(
                f"p{share} of {who}, {size:,} plain services",
                value,
                "ms",
                ratio=value / reference,
                ratio_of=f"Swarmgate with {few:,}",
                note=f"{RATE:,} requests/s{f', {failed} failed' if failed else ''}",
            )
            if who == "Swarmgate":
                curve.add(f"p{share}", size, value)
    yield curve


def _at(turns: Sequence[Latency], share: int) -> float:
    return median([each.p50 if share == 50 else each.p99 for each in turns])
