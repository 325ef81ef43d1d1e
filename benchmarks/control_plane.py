"""The controller's work per pass and stage, from Docker's answers to a real HAProxy that runs what they say.

The passes are those of an idle and of a busy Swarm: nothing changed, one service added, re-labelled, removed, 300 added
at once. The source is the Docker API over a unix socket; what a pass takes is all of it, HAProxy's part included.
"""

import asyncio
import cProfile
import io
import pstats
from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

from benchmarks.context import Context
from benchmarks.measurement import Curve, Finding, Limit, Measurement, median
from benchmarks.rig import Pass, Rig, rig
from benchmarks.world import KINDS, World

WORLDS: tuple[World, ...] = ("plain", "mixed")
BURST = 300
STAGES = ("source", "observe", "judge", "build", "render", "plan", "apply")
_PROFILED_LINES = 60

NOTHING, WHOLE, RESYNC, ADDED, RELABELLED, REMOVED = (
    "nothing changed",
    "nothing changed, the Swarm read as a whole",
    "nothing changed, HAProxy asked anew",
    "one added",
    "one re-labelled",
    "one removed",
)
MANY = f"{BURST} added at once"
_LIMITS = {
    NOTHING: Limit(at_most=50),
    WHOLE: Limit(at_most=50),
    ADDED: Limit(at_most=100),
    RELABELLED: Limit(at_most=100),
    REMOVED: Limit(at_most=100),
    MANY: Limit(at_most=2000),
}
"""Milliseconds that a pass may take at the promised size."""
_RELOADS = {ADDED: 0, RELABELLED: 0, REMOVED: 0, MANY: 1}


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of pass in one world of one size, with all its passes."""

    world: World
    size: int
    what: str
    passes: list[Pass] = field(default_factory=list)

    @property
    def milliseconds(self) -> float:
        """The median of what they took."""
        return median([each.seconds for each in self.passes]) * 1e3

    @property
    def work(self) -> float:
        """The median milliseconds of processor time that they took of the controller."""
        return median([each.cpu for each in self.passes]) * 1e3

    def stage(self, name: str) -> float:
        """Return the median milliseconds of one stage; ``rest`` is what is in no stage."""
        if name == "rest":
            known = [each for each in STAGES if each not in {"judge", "build"}]
            return (
                median([each.seconds - sum(each.stages.get(k, 0) for k in (*known, "desire")) for each in self.passes])
                * 1e3
            )
        return median([each.stages.get(name, 0.0) for each in self.passes]) * 1e3

    @property
    def note(self) -> str:
        """The stages, and what HAProxy and the disk had to do."""
        stages = ", ".join(f"{name} {self.stage(name):.0f}" for name in (*STAGES, "rest"))
        one = self.passes[-1]
        return (
            f"{stages}; CPU {self.work:.0f}; {one.commands:,} commands of {one.sent:,} bytes, "
            f"{one.written:,} bytes written, {one.reloads} reloads"
        )


def run(context: Context) -> Iterator[Finding]:
    """Measure both worlds in all sizes."""
    totals = {world: _totals(world) for world in WORLDS}
    stages = {(world, what): _stages(world, what) for world in WORLDS for what in (NOTHING, ADDED)}
    combined = [(world, size) for world in WORLDS for size in context.sizes]
    for number, (world, size) in enumerate(combined):
        kinds, reloading = asyncio.run(_measure(context.part(len(combined) - number), world, size))
        for kind in kinds:
            totals[world].add(kind.what, size, kind.milliseconds)
            if (world, kind.what) in stages:
                for stage in (*STAGES, "rest"):
                    stages[world, kind.what].add(stage, size, kind.stage(stage))
            yield from _rows(kind, promised=size == context.large)
        if reloading is not None:
            yield _every_kind(size, reloading)
    yield from totals.values()
    yield from stages.values()


def _totals(world: World) -> Curve:
    return Curve(f"control-plane-{world}", f"One pass, {world} world", "services", "milliseconds")


def _stages(world: World, what: str) -> Curve:
    name = f"control-plane-{world}-stages-{what.replace(' ', '-')}"
    return Curve(name, f"Stages of a pass, {world} world, {what}", "services", "milliseconds")


def _rows(kind: Kind, *, promised: bool) -> Iterator[Measurement]:
    name = f"{kind.what}, {kind.size:,} {kind.world}"
    limit = _LIMITS.get(kind.what) if promised else None
    waits = kind.what == WHOLE  # most of the time, for the engine to give out megabytes
    yield Measurement(f"pass: {name}", kind.milliseconds, "ms", None if waits else limit, note=kind.note)
    if waits:
        yield Measurement(f"work in a pass: {name}", kind.work, "ms", limit, note="without waiting for the engine")
    if not promised:
        return
    if kind.what in {NOTHING, WHOLE}:
        # The least of all passes: the snapshot of an earlier change may be saved in the background of any of them.
        yield Measurement(f"bytes written: {name}", min(each.written for each in kind.passes), "bytes", Limit(0, 0))
        yield Measurement(f"commands: {name}", max(each.commands for each in kind.passes), "", Limit(0, 0))
    if kind.what in _RELOADS:
        reloads = max(each.reloads for each in kind.passes)
        yield Measurement(f"reloads: {name}", reloads, "", Limit(at_most=_RELOADS[kind.what]))


def _every_kind(size: int, reloading: list[str]) -> Measurement:
    note = f"reloaded: {', '.join(reloading)}" if reloading else ""
    return Measurement(
        f"reloads: one more of each of {len(KINDS)} kinds, {size:,} mixed", len(reloading), "", note=note
    )


async def _measure(context: Context, world: World, size: int) -> tuple[list[Kind], list[str] | None]:
    """Return the passes by kind and, for a mixed world of the promised size, what costs a reload when it is added."""
    kinds: dict[str, Kind] = {}
    async with rig(context, world, size) as made:
        async for what, done in _passes(context, made, world, size):
            kinds.setdefault(what, Kind(world, size, what)).passes.append(done)
        promised = size == context.large
        reloading = [kind async for kind in _reloading(made, size)] if promised and world == "mixed" else None
        if context.profile and promised:
            await _profile(context, made, world, size)
    return [*kinds.values()], reloading


async def _passes(context: Context, made: Rig, world: World, size: int) -> AsyncIterator[tuple[str, Pass]]:
    yield "start", await made.converge()
    await made.converge()  # the first pass after a start asks HAProxy
    for turn in context.turns(full=7, quick=3):
        fresh = ("plain", size + turn, made.origin)
        yield NOTHING, await made.converge()
        yield WHOLE, await made.converge(doubt=True)
        yield RESYNC, await made.converge(resync=True)
        await made.change("add", *fresh)
        yield ADDED, await made.converge()
        await made.change("relabel", *fresh, turn)
        yield RELABELLED, await made.converge()
        await made.change("remove", fresh[1])
        yield REMOVED, await made.converge()
    for turn in context.turns(full=3, quick=1):
        first = size + 1000 * (turn + 1)
        await made.change("extend", world, first, BURST, made.origin)
        yield MANY, await made.converge()
        await made.change("remove", first, BURST)
        yield f"{BURST} removed at once", await made.converge()


async def _reloading(made: Rig, size: int) -> AsyncIterator[str]:
    for number, kind in enumerate(KINDS, start=size + 5000):
        await made.change("add", kind, number, made.origin)
        if (await made.converge()).reloads:
            yield kind


async def _profile(context: Context, made: Rig, world: World, size: int) -> None:
    """Write where the time of three kinds of passes goes, as text and for ``snakeviz`` and the like."""
    fresh = ("plain", size + 9000, made.origin)
    causes: dict[str, tuple[object, ...]] = defaultdict(tuple)
    causes |= {"nothing": (), "added": ("add", *fresh), "relabelled": ("relabel", *fresh, 1)}
    for name, command in causes.items():
        if command:
            await made.change(*map(str, command[:1]), *command[1:])
        profiler = cProfile.Profile()
        profiler.enable()
        await made.converge()
        profiler.disable()
        target = context.output / f"profile-{world}-{name}.prof"
        profiler.dump_stats(target)
        text = io.StringIO()
        pstats.Stats(profiler, stream=text).sort_stats("cumulative").print_stats(_PROFILED_LINES)
        target.with_suffix(".txt").write_text(text.getvalue(), encoding="utf-8")
