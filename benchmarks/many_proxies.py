"""Many proxies of one listener: how long until a change has reached all of them, and what it costs in bytes.

One that has the snapshot already is told just that.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import engine
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.processes import cpu_seconds
from benchmarks.roles import TOKEN, eventually, listener

_PROXIES = 50
_LIMIT = 60.0
_PROMISED = Limit(at_most=1)
_COMPRESSED = Limit(at_most=0.25)
_UNCHANGED = Limit(at_most=1_000)
"""Bytes that it may take to say that nothing has changed."""


@dataclass(slots=True)
class Poller:
    """A proxy as the listener sees it: it holds a long poll, and takes the whole answer when there is one.

    ``status``, ``received`` (in bytes) and ``at`` (in the seconds of `time.monotonic`) are of the last answer.
    """

    port: int
    number: int
    etag: str = ""
    status: int = 0
    received: int = 0
    at: float = 0.0

    async def poll(self, *, wait: int = 0, encoding: str = "gzip") -> None:
        """Ask once, and wait for the answer's last byte."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        held = f"&wait={wait}" if wait else ""
        writer.write(
            f"GET /v1/snapshot?replica=proxy-{self.number}{held} HTTP/1.1\r\nHost: listener\r\nConnection: close\r\n"
            f"Accept-Encoding: {encoding}\r\nIf-None-Match: {self.etag}\r\n"
            f"Authorization: Bearer {TOKEN}\r\n\r\n".encode()
        )
        answer = await reader.read()
        head = answer.partition(b"\r\n\r\n")[0].decode()
        headers = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:])
        if not head.startswith(("HTTP/1.1 200", "HTTP/1.1 304")) or "etag" not in headers:
            raise RuntimeError(f"the listener answered {head[:200]!r}")
        self.status = int(head.split(" ")[1])
        self.etag, self.received, self.at = headers["etag"], len(answer), time.monotonic()
        writer.close()


def run(context: Context) -> Iterator[Finding]:
    """Measure it at the promised size."""
    size = context.large
    (origin,) = free_ports()
    with (
        scratch() as folder,
        engine(folder / "docker.sock", "plain", size, origin) as docker,
        listener(docker, folder) as role,
    ):
        eventually(role.is_ready, "the listener is ready", role)
        pollers = [Poller(role.api, number) for number in range(_PROXIES)]
        asyncio.run(_poll_all(pollers))
        seconds, cpu, arrived = [], [], []
        for turn in context.turns(full=10, quick=3):
            before = cpu_seconds(role.process.pid)
            change = partial(docker.timed, "relabel", "plain", turn, origin, turn)
            changed = asyncio.run(_reach_all(pollers, change))
            arrived.append(min(each.at for each in pollers) - changed)
            seconds.append(max(each.at for each in pollers) - changed)
            cpu.append(cpu_seconds(role.process.pid) - before)
        yield from _rows(size, seconds, arrived, cpu, pollers[0].received)
        yield from asyncio.run(_single(role.api, size))


async def _poll_all(pollers: list[Poller]) -> None:
    await asyncio.gather(*(each.poll() for each in pollers))


async def _reach_all(pollers: list[Poller], change: Callable[[], float]) -> float:
    """Have all pollers wait, change something, and wait until each has it; return when it was changed."""
    async with asyncio.timeout(_LIMIT):
        waiting = [asyncio.create_task(each.poll(wait=55)) for each in pollers]
        await asyncio.sleep(1)
        changed = await asyncio.to_thread(change)
        await asyncio.gather(*waiting)
    return changed


def _rows(
    size: int, seconds: list[float], arrived: list[float], cpu: list[float], received: int
) -> Iterator[Measurement]:
    name = f"a change with {size:,} services"
    yield Measurement(f"{name} to the first of {_PROXIES} proxies", median(arrived), "s")
    yield Measurement(
        f"{name} to all of {_PROXIES} proxies",
        max(seconds),
        "s",
        _PROMISED,
        note=f"the listener used {median(cpu):.2f} s of CPU time; median {median(seconds):.2f} s",
    )
    yield Measurement(f"{name}, bytes to each proxy", received, "bytes")
    yield Measurement(f"{name}, bytes to all {_PROXIES} proxies", received * _PROXIES / 1e6, "MB")


async def _single(port: int, size: int) -> list[Measurement]:
    """Ask for a snapshot as it is, compressed, and with its ETag."""
    received: dict[str, Poller] = {}
    for encoding in ("identity", "gzip"):
        received[encoding] = Poller(port, _PROXIES)
        await received[encoding].poll(encoding=encoding)
    whole, compressed = (received[encoding].received for encoding in ("identity", "gzip"))
    again = received["gzip"]
    began = time.monotonic()
    await again.poll()
    if again.status != 304:
        raise RuntimeError(f"the listener answered {again.status} to a proxy that has the snapshot already")
    name = f"a snapshot of {size:,} services"
    return [
        Measurement(f"{name}, as it is", whole / 1e6, "MB"),
        Measurement(f"{name}, compressed", compressed / 1e6, "MB", _COMPRESSED, compressed / whole, "as it is"),
        Measurement(f"{name}, to a proxy that has it (304)", again.received, "bytes", _UNCHANGED),
        Measurement(f"{name}, to a proxy that has it (304): until answered", (again.at - began) * 1e3, "ms"),
    ]
