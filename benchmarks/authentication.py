"""What a password costs: HTTP basic authentication against a sha-512 hash, at few and at many connections."""

from collections.abc import Iterator

from benchmarks.contenders import contender, swarmgate
from benchmarks.context import Context, scratch
from benchmarks.load import spread
from benchmarks.measurement import Curve, Finding, Limit, Measurement, median
from benchmarks.throughput import UNIT, Turns, take_turns

_CONNECTIONS = (1, 8, 64)
_NONE = "no authentication"
_PROMISED = Limit(at_least=0.8)
"""For clients that return, as all of these do: a hash costs milliseconds, but once in a while only."""
_WAYS = {_NONE: "plain", "a password in plain text": "users", "a sha-512 hash": "hashed users"}


def run(context: Context) -> Iterator[Finding]:
    """Measure one service of each kind with each number of connections, in turns."""
    with scratch() as folder, contender(context, swarmgate, "protected", len(_WAYS), folder / "one") as made:
        by_kind = {each.service.kind: each.service.request for each in made.routes}
        entries = [
            Turns(way, "protected", 1, made, spread([request], folder, kind), connections=connections)
            for connections in _CONNECTIONS
            for way, kind in _WAYS.items()
            if (request := by_kind[kind]) is not None
        ]
        take_turns(entries, context, turns=14, seconds=1)
    curve = Curve("authentication", "Requests with HTTP basic authentication", "connections", UNIT)
    open_ones = {each.connections: each for each in entries if each.who == _NONE}
    for each in entries:
        curve.add(each.who, each.connections, each.value)
        yield Measurement(
            f"{each.who}, {each.connections} connections",
            each.value,
            UNIT,
            None if each.who == _NONE else _PROMISED,
            ratio=None if each.who == _NONE else _side_by_side(each, open_ones[each.connections]),
            ratio_of=_NONE,
            note=each.note,
        )
    yield curve


def _side_by_side(one: Turns, other: Turns) -> float:
    """Return the median of the ratios of what two had within seconds of each other."""
    return median([mine / theirs for mine, theirs in zip(one.per_cpu, other.per_cpu, strict=True)])
