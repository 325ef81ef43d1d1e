"""What it takes to read the Swarm: the bytes of Docker's answers, getting them, and making a snapshot of them."""

import asyncio
import time
from collections.abc import Callable, Iterator

from benchmarks.context import Context, free_ports, scratch
from benchmarks.control_plane import WORLDS
from benchmarks.engine import READS, Engine, engine
from benchmarks.measurement import Curve, Finding, Limit, Measurement, median
from benchmarks.world import World
from controller.sources.decode import SnapshotDecoder, service_ids
from controller.sources.docker_api import DockerSource
from controller.sources.docker_connection import DockerConnection

_LIMIT = 120.0
_UNCHANGED = "read, unchanged"
_QUESTIONS = Limit(2, 2)


def run(context: Context) -> Iterator[Finding]:
    """Measure both worlds in all sizes."""
    for world in WORLDS:
        curve = Curve(f"decoding-{world}", f"Reading the Swarm, {world} world", "services", "milliseconds")
        for size in context.sizes:
            yield from _measure(context, world, size, curve)
        yield curve


def _measure(context: Context, world: World, size: int, curve: Curve) -> Iterator[Measurement]:
    (origin,) = free_ports()
    with scratch() as folder, engine(folder / "docker.sock", world, size, origin) as docker:
        lengths = docker.call("warm")
        where = f"{size:,} {world}"
        yield Measurement(
            f"Docker's answers to a reading of everything, {where}",
            sum(lengths) / 1e6,
            "MB",
            note=f"services {lengths[0]:,} bytes, tasks {lengths[1]:,}",
        )
        yield Measurement(f"Docker's answers after an event, {where}", _one(docker) / 1e3, "kB")
        readings, asked = _readings(context, docker, origin)
        yield Measurement(f"requests to Docker per reading, {where}", asked, "", _QUESTIONS)
        for what, seconds in readings.items():
            curve.add(what, size, median(seconds) * 1e3)
            yield Measurement(f"{what}, {where}", median(seconds) * 1e3, "ms")


def _one(docker: Engine) -> int:
    """Return the bytes that Docker answers when it is asked for one service and its tasks."""
    connection = DockerConnection(docker.docker_host, timeout=_LIMIT)
    deadline = time.monotonic() + _LIMIT
    services = connection.read("/services", {"name": ("s00000",)}, deadline=deadline)
    tasks = connection.read("/tasks", {"service": service_ids(services)}, deadline=deadline)
    connection.close()
    return len(services) + len(tasks)


def _readings(context: Context, docker: Engine, origin: int) -> tuple[dict[str, list[float]], float]:
    """Return the seconds of each way to read, and how many requests one that finds no change has sent."""
    decoder, connection = SnapshotDecoder(), DockerConnection(docker.docker_host, timeout=_LIMIT)
    source = DockerSource(docker.docker_host, timeout=_LIMIT)
    found: dict[str, list[float]] = {}
    asked: list[int] = []

    def clock(what: str, call: Callable[[], object]) -> None:
        began = time.perf_counter()
        call()
        found.setdefault(what, []).append(time.perf_counter() - began)

    def fetch() -> list[bytes]:
        return [connection.read(path, filters, deadline=time.monotonic() + _LIMIT) for path, filters in READS]

    def decode() -> None:
        decoder.decode(*bodies)

    async def read() -> None:
        await source.snapshot()  # Nothing is returned: a runner shows what is returned, and that takes longest.

    with asyncio.Runner() as runner:
        clock("read and decoded for the first time", lambda: runner.run(read()))
        for turn in context.turns(full=9, quick=3):
            fetch()
            clock("fetched", fetch)
            bodies = fetch()
            decode()
            clock("decoded, unchanged", decode)
            before = docker.call("asked")
            clock(_UNCHANGED, lambda: runner.run(read()))
            asked.append(docker.call("asked") - before)
            docker.call("relabel", "plain", 0, origin, turn)
            docker.call("warm")
            bodies = fetch()
            clock("decoded, one changed", decode)
            clock("read and decoded, one changed", lambda: runner.run(read()))
        runner.run(source.close())
    connection.close()
    return found, max(asked)
