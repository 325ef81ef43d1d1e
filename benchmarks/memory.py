"""The controller's memory with a large world, and whether it grows with the number of changes it has seen."""

import time
from collections.abc import Iterator

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import engine
from benchmarks.measurement import Curve, Finding, Limit, Measurement
from benchmarks.processes import resident_bytes
from benchmarks.roles import Standing, eventually, listener, standing, status
from benchmarks.world import Request, World

_PROMISED = Limit(at_most=200)
_PACE = 100
"""Changes per second."""
_MEGABYTE = 1e6
_WORLDS: tuple[World, ...] = ("plain", "mixed")


def run(context: Context) -> Iterator[Finding]:
    """Measure a proxy in both worlds, let many changes come to the plain one, and measure a listener."""
    size, changes = context.large, context.rounds(full=10_000, quick=500)
    curve = Curve("memory", f"Memory of the controller, {size:,} services", "changes", "MB", logarithmic=False)
    for world in _WORLDS:
        with standing(context, world, size) as made:
            memory = _resident(made)
            curve.add(world, 0, memory)
            yield Measurement(f"controller, {size:,} {world} services", memory, "MB", _PROMISED)
            _, worker = made.proxy.haproxy
            yield Measurement(f"its HAProxy, {size:,} {world} services", resident_bytes(worker) / _MEGABYTE, "MB")
            if world == "plain":
                for done in _change(made, changes):
                    curve.add(world, done, _resident(made))
                memory = _resident(made)
                yield Measurement(
                    f"controller, {size:,} plain services, after {changes:,} changes", memory, "MB", _PROMISED
                )
    yield _listener(size)
    yield curve


def _resident(made: Standing) -> float:
    return resident_bytes(made.proxy.process.pid) / _MEGABYTE


def _change(made: Standing, changes: int) -> Iterator[int]:
    """Add, re-label and remove services at a steady pace; give the number of changes done, ten times."""
    part, number = changes // 10, made.size
    for done in range(part, changes + 1, part):
        began = time.monotonic()
        for turn in range(part // 3):
            made.engine.call("add", "plain", number, made.origin)
            made.engine.call("relabel", "plain", number, made.origin, turn)
            made.engine.call("remove", number)
            number += 1
            time.sleep(max(0.0, began + 3 * turn / _PACE - time.monotonic()))
        made.engine.call("add", "plain", number, made.origin)
        last = Request(f"/s{number:05d}")
        eventually(lambda request=last: status(made.proxy.http, request) == 200, "the last change is programmed")  # type: ignore[misc]
        made.engine.call("remove", number)
        number += 1
        yield done


def _listener(size: int) -> Measurement:
    (origin,) = free_ports()
    with (
        scratch() as folder,
        engine(folder / "docker.sock", "plain", size, origin) as docker,
        listener(docker, folder) as role,
    ):
        eventually(role.is_ready, "the listener is ready", role)
        memory = resident_bytes(role.process.pid) / _MEGABYTE
    return Measurement(f"listener, {size:,} plain services", memory, "MB")
