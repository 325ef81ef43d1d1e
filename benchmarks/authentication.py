"""What a password costs: HTTP basic authentication against a sha-512 hash, at few and at many connections."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from benchmarks.contenders import contender, swarmgate
from benchmarks.context import Context, UnmeasurableError, scratch
from benchmarks.load import spread
from benchmarks.measurement import Curve, Finding, Limit, Measurement
from benchmarks.throughput import UNIT, Turns, side_by_side, take_turns

_CONNECTIONS = (1, 8, 64)
_NONE = "no authentication"
_PROMISED = Limit(at_least=0.8)
"""For clients that return, as all of these do: a hash costs milliseconds, but once in a while only."""
_WAYS = {_NONE: "plain", "a password in plain text": "users", "a sha-512 hash": "hashed users"}


def run(context: Context) -> Iterator[Finding]:
    """Measure one service of each kind with each number of connections, each way by a proxy of its own."""
    with scratch() as folder, ExitStack() as stack:
        entries = [entry for way, kind in _WAYS.items() for entry in _loads(context, stack, folder, way=way, kind=kind)]
        take_turns(entries, context.part(2), turns=7, seconds=1)
        open_ones = {each.connections: each for each in entries if each.who == _NONE}
        rounds = context.rounds(full=8, quick=4)
        ratios = {
            (each.who, each.connections): side_by_side(each, open_ones[each.connections], rounds)
            for each in entries
            if each.who != _NONE
        }
    curve = Curve("authentication", "Requests with HTTP basic authentication", "connections", UNIT)
    for each in sorted(entries, key=lambda entry: entry.connections):
        curve.add(each.who, each.connections, each.value)
        ratio = ratios.get((each.who, each.connections))
        yield Measurement(
            f"{each.who}, {each.connections} connections",
            each.value,
            UNIT,
            None if ratio is None else _PROMISED,
            ratio=ratio,
            ratio_of=_NONE,
            note=each.note,
        )
    yield curve


def _loads(context: Context, stack: ExitStack, folder: Path, *, way: str, kind: str) -> Iterator[Turns]:
    """Start a proxy, and give what one kind of its services is asked for, by each number of connections."""
    place = folder / kind.replace(" ", "-")
    made = stack.enter_context(contender(context, swarmgate, "protected", len(_WAYS), place))
    request = next(each.service.request for each in made.routes if each.service.kind == kind)
    if request is None:
        raise UnmeasurableError(f"no request is answered by a service of the kind {kind}")
    requests = spread([request], place, "sent")
    for connections in _CONNECTIONS:
        yield Turns(way, "protected", 1, made, requests, connections=connections)
