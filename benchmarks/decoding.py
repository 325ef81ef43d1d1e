"""What it takes to read the Swarm: the bytes of Docker's answers, getting them, and making a snapshot of them."""

import asyncio
import time
from collections.abc import Callable, Iterator

from benchmarks.context import Context, free_ports, scratch
from benchmarks.control_plane import WORLDS
from benchmarks.engine import READS, Engine, engine
from benchmarks.measurement import Curve, Finding, Measurement, median
from benchmarks.world import World
from controller.sources.decode import SnapshotDecoder
from controller.sources.docker_api import DockerSource
from controller.sources.docker_connection import DockerConnection

_LIMIT = 120.0


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
            f"Docker's answers per pass, {where}",
            sum(lengths) / 1e6,
            "MB",
            note=f"services {lengths[0]:,} bytes, tasks {lengths[1]:,}",
        )
        for what, seconds in _readings(context, docker, origin).items():
            curve.add(what, size, median(seconds) * 1e3)
            yield Measurement(f"{what}, {where}", median(seconds) * 1e3, "ms")


def _readings(context: Context, docker: Engine, origin: int) -> dict[str, list[float]]:
    """Return the seconds of each way to read."""
    decoder, connection = SnapshotDecoder(), DockerConnection(docker.docker_host, timeout=_LIMIT)
    source = DockerSource(docker.docker_host, timeout=_LIMIT)
    found: dict[str, list[float]] = {}

    def clock(what: str, call: Callable[[], object]) -> None:
        began = time.perf_counter()
        call()
        found.setdefault(what, []).append(time.perf_counter() - began)

    def fetch() -> list[bytes]:
        return [connection.read(path, filters, deadline=time.monotonic() + _LIMIT) for path, filters in READS]

    def decode() -> None:
        decoder.decode(*bodies)

    with asyncio.Runner() as runner:
        clock("read and decoded for the first time", lambda: runner.run(source.snapshot()))
        for turn in range(context.rounds(full=9, quick=3)):
            fetch()
            clock("fetched", fetch)
            bodies = fetch()
            decode()
            clock("decoded, unchanged", decode)
            clock("read, unchanged", lambda: runner.run(source.snapshot()))
            docker.call("relabel", "plain", 0, origin, turn)
            docker.call("warm")
            bodies = fetch()
            clock("decoded, one changed", decode)
            clock("read and decoded, one changed", lambda: runner.run(source.snapshot()))
        runner.run(source.close())
    connection.close()
    return found
