"""How many requests a proxy can take, with few and with many services, beside a hand-written one and the rivals.

The proxy has a core for itself, so requests per second of its CPU time are requests per second on an idle machine; on
one that is busy with other things they stay right, where plain requests per second tell how busy it was. So ratios are
of the former; the latter stand beside them. All contenders take turns, and what is shown is the median of all turns.

What else goes on in a machine can make it twice as slow for a moment, with all that shares its caches. So what is
promised is measured once more, the two sides at the same time on the one core: the ratio is the median of several
rounds, from several processes of either.
"""

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.contenders import (
    Contender,
    Write,
    caddy_proxy,
    contender,
    docker_flow_proxy,
    easyhaproxy,
    hand_written,
    hand_written_map,
    swarmgate,
)
from benchmarks.context import Context, UnmeasurableError, scratch
from benchmarks.load import Throughput, cores, put_load, spread
from benchmarks.measurement import Curve, Finding, Limit, Measurement, is_settled, median
from benchmarks.world import Request, World

UNIT = "requests/CPU s"
_FEW = 10
_PROMISED = Limit(at_least=0.95)
_RIVAL_SIZES = (10, 1_000, 5_000)
_MANY = 100
_ROUNDS_OF_A_PROCESS = 4
_WARM_UP = 1.0
"""Seconds of load before each turn with more than `_MANY` services: a proxy that has paused has let connections go."""

OURS = "Swarmgate"
BY_HAND, BY_MAP = "hand-written HAProxy", "hand-written HAProxy with a map"
RIVALS: tuple[tuple[str, Write, World], ...] = (
    ("Docker Flow Proxy's configuration", docker_flow_proxy, "plain"),
    ("Caddy", caddy_proxy, "plain"),
    ("EasyHAProxy", easyhaproxy, "domain"),
)


@dataclass(frozen=True, slots=True)
class Turns:
    """One load on one contender: its requests, and what each turn gave."""

    who: str
    world: World
    size: int
    contender: Contender
    requests: Path
    what: str = ""
    connections: int = 64
    per_cpu: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    failed: list[int] = field(default_factory=list)

    @property
    def name(self) -> str:
        """What is measured."""
        services = f"{self.size:,} {self.world} services"
        return f"{self.who}, {services}{f', {self.what}' if self.what else ''}"

    @property
    def value(self) -> float:
        """The median of requests per second of CPU time."""
        return median(self.per_cpu)

    @property
    def note(self) -> str:
        """What wrk saw."""
        share = f"{median(self.per_second):,.0f} requests/s with {median(self.shares):.0%} of the core"
        return f"{share}, {sum(self.failed)} failed" if sum(self.failed) else share

    def warm_up(self) -> None:
        """Have the contender connect to its origins."""
        with self.contender.awake():
            self.load(_WARM_UP)

    def take(self, seconds: float) -> None:
        """Put load on the contender for some seconds."""
        with self.contender.awake():
            if self.size > _MANY:
                self.load(_WARM_UP)
            before = self.contender.cpu
            load = self.load(seconds)
            spent = self.contender.cpu - before
        self.per_cpu.append(load.per_second * seconds / spent)
        self.per_second.append(load.per_second)
        self.shares.append(spent / seconds)
        self.failed.append(load.failed)

    def load(self, seconds: float) -> Throughput:
        """Put load on the contender, which is awake."""
        return put_load(
            self.contender.port, self.requests, seconds=seconds, connections=self.connections, core=cores().load
        )


def run(context: Context) -> Iterator[Finding]:
    """Measure all contenders in turns."""
    with scratch() as folder, ExitStack() as stack:
        entries: list[Turns] = []
        for started in _start(context, folder, stack):
            if isinstance(started, Measurement):
                yield started
            else:
                entries.append(started)
        take_turns(entries, context.part(2), seconds=1 if context.quick else 2)
        found: dict[_Key, Turns] = {(each.who, each.world, each.size, each.what): each for each in entries}
        rounds = context.rounds(full=20, quick=8)
        ratios = {
            key: side_by_side(found[key], found[other], rounds)
            for key, other in _promised(context).items()
            if {key, other} <= found.keys()
        }
        yield from _rows(context, found, ratios)
        yield from _curves(entries)


def take_turns(entries: Sequence[Turns], context: Context, *, turns: int = 7, seconds: float) -> None:
    """Measure each as often as the others, there and back, so that what slows the machine slows all of them.

    A first turn, which is not counted, has each proxy connect to its origins.
    """
    for entry in entries:
        entry.warm_up()
    for turn in context.turns(full=turns, quick=3, settled=lambda: all(is_settled(each.per_cpu) for each in entries)):
        for entry in entries if turn % 2 == 0 else reversed(entries):
            entry.take(seconds)


def side_by_side(one: Turns, other: Turns, rounds: int) -> float:
    """Return how many requests one can take for each that the other takes, per CPU time: the median of some rounds.

    Both are loaded at the same time, so whatever slows the machine slows them alike. Some rounds are of the same two
    processes: how fast one is depends on where in memory its parts came to lie.
    """
    ratios = []
    for number in range(rounds):
        if number % _ROUNDS_OF_A_PROCESS == 0:
            for entry in (one, other):
                entry.contender.begin_anew()
        mine, theirs = _at_the_same_time(one, other)
        ratios.append(mine / theirs)
    return median(ratios)


def _at_the_same_time(*entries: Turns) -> list[float]:
    """Load all for a second, and return the requests per second of CPU time of each."""
    with ExitStack() as stack:
        for entry in entries:
            stack.enter_context(entry.contender.awake())
        pool = stack.enter_context(ThreadPoolExecutor(len(entries)))
        list(pool.map(lambda entry: entry.load(_WARM_UP), entries))
        before = [entry.contender.cpu for entry in entries]
        loads = list(pool.map(lambda entry: entry.load(1), entries))
        spent = [entry.contender.cpu - begun for entry, begun in zip(entries, before, strict=True)]
    for entry, load in zip(entries, loads, strict=True):
        entry.failed.append(load.failed)
    return [load.per_second / seconds for load, seconds in zip(loads, spent, strict=True)]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """A contender, and what it is asked for: a key of `_CHOICES`."""

    who: str
    write: Write
    world: World
    size: int
    what: str = ""


def _start(context: Context, folder: Path, stack: ExitStack) -> Iterator[Turns | Measurement]:
    """Start all contenders, and tell of those that cannot be.

    Each load has a proxy of its own: one that lets go of what it has connected to for another load would pay for that.
    """
    for number, each in enumerate(_wanted(context)):
        place = folder / str(number)
        try:
            made = stack.enter_context(contender(context, each.write, each.world, each.size, place))
        except UnmeasurableError as error:
            yield Measurement(
                f"{each.who}, {each.size:,} {each.world} services", None, UNIT, note=f"not measured: {error}"
            )
            continue
        requests = spread([*_CHOICES[each.what](made)], place, "sent")
        yield Turns(each.who, each.world, each.size, made, requests, each.what)


def _wanted(context: Context) -> Iterator[_Wanted]:
    some = context.some(*_RIVAL_SIZES)
    yield _Wanted(BY_HAND, hand_written, "plain", _FEW)
    yield _Wanted(BY_MAP, hand_written_map, "plain", context.large)
    ours: dict[World, Sequence[int]] = {"plain": context.sizes, "mixed": some, "domain": some}
    for world, sizes in ours.items():
        yield from (_Wanted(OURS, swarmgate, world, size) for size in sizes)
    yield _Wanted(OURS, swarmgate, "plain", context.large, _SOME)
    yield _Wanted(OURS, swarmgate, "mixed", context.large, _PLAIN)
    for who, write, world in RIVALS:
        yield from (_Wanted(who, write, world, size) for size in some)


def _every(made: Contender) -> list[Request]:
    return [each.service.request for each in made.routes if each.service.request]


def _plain(made: Contender) -> list[Request]:
    plain = (each.service for each in made.routes if each.service.kind == "plain")
    return [service.request for service in plain if service.request]


_Key = tuple[str, World, int, str]
"""Who, in which world, how large, and what is asked."""

_SOME, _PLAIN = f"requests to {_FEW} of them", "requests to plain ones"
_CHOICES: dict[str, Callable[[Contender], list[Request]]] = {
    "": _every,
    _SOME: lambda made: _every(made)[:_FEW],
    _PLAIN: _plain,
}


def _promised(context: Context) -> dict[_Key, _Key]:
    """Return what is promised of whom in comparison with whom.

    With few services what a hand-written configuration can do, with many the same for the same requests, and for
    requests to all of them what a hand-written map can do. (Requests to 5,000 servers cost any HAProxy more than
    requests to 10: it has as many connections open, and all that it knows of them is cold.)
    """
    few: _Key = (OURS, "plain", _FEW, "")
    return {
        few: (BY_HAND, "plain", _FEW, ""),
        (OURS, "plain", context.large, _SOME): few,
        (OURS, "plain", context.large, ""): (BY_MAP, "plain", context.large, ""),
    }


def _rows(context: Context, found: Mapping[_Key, Turns], ratios: Mapping[_Key, float]) -> Iterator[Measurement]:
    """Return a row for each; ``ratios`` are those that were measured at the same time."""
    few: _Key = (OURS, "plain", _FEW, "")
    promised = _promised(context)
    for key, each in found.items():
        same_size: _Key = few if each.who == OURS else (OURS, each.world, each.size, "")
        other = found.get(promised.get(key, same_size))
        is_compared = other is not None and other is not each
        yield Measurement(
            each.name,
            each.value,
            UNIT,
            _PROMISED if key in promised else None,
            ratios.get(key, each.value / other.value) if other and is_compared else None,
            f"{other.who}, {other.size:,} {other.world}" if other and is_compared else "",
            note=each.note,
        )


def _curves(entries: Sequence[Turns]) -> Iterator[Curve]:
    curves: dict[str, Curve] = defaultdict(_ours)
    curves["rivals"] = Curve("throughput-rivals", "Requests a proxy can take, beside rivals", "services", UNIT)
    for each in entries:
        if each.who == OURS:
            curves["ours"].add(f"{each.world} services{f', {each.what}' if each.what else ''}", each.size, each.value)
        if each.world != "mixed" and not each.what:
            curves["rivals"].add(f"{each.who} ({each.world})", each.size, each.value)
    yield from curves.values()


def _ours() -> Curve:
    return Curve("throughput", "Requests Swarmgate's HAProxy can take", "services", UNIT)
