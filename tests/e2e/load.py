"""Requests at a steady pace; each one that is not answered well is told, with what was being done at that time."""

import asyncio
import http.client
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

_PER_CONNECTION = 20
"""Requests that are sent over a connection which is kept."""
_IDLE = 5.0
"""Seconds after which a connection that is kept is not used again; HAProxy closes it after 15."""
_SHOWN = 40

Address = tuple[str, int]


@dataclass(frozen=True)
class Failure:
    """A request that was not answered well: when it was sent and how long it took, in seconds, and what came of it."""

    at: float
    took: float
    step: str
    target: Address
    what: str

    def __str__(self) -> str:
        return f"{self.at:7.2f} s, during {self.step}: {self.what} from {self.target} after {self.took:.2f} s"


@dataclass
class Load:
    """Sends ``rate`` requests for ``path`` a second to the targets in turn, for ``longest`` seconds at most.

    It does not wait for an answer before it sends the next request (an open loop). Every other request is sent over a
    connection of its own, the rest over connections that are kept. ``limit`` is how many seconds an answer may take.
    """

    targets: Sequence[Address]
    path: str
    rate: float = 200
    longest: float = 240
    limit: float = 15
    step: str = "the beginning"
    times: list[float] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    tasks: set[str] = field(default_factory=set)
    _is_over: bool = False
    _began: float = field(default_factory=time.monotonic)
    _kept: dict[Address, list["_Connection"]] = field(default_factory=dict)

    @contextmanager
    def doing(self, step: str) -> Iterator[None]:
        """Say what is done during the block, for failures to be told with."""
        self.step = step
        began, before = time.monotonic(), len(self.times)
        yield
        sys.stdout.write(f"{step}: {time.monotonic() - began:.1f} s, {self._told(before)}\n")
        self.step = f"what followed {step}"

    @contextmanager
    def running(self) -> Iterator["Load"]:
        """Send requests until the end of the block."""
        with ThreadPoolExecutor(max_workers=1) as pool:
            sending: Future[None] = pool.submit(asyncio.run, self._run())
            try:
                yield self
            finally:
                self._is_over = True
                sending.result()

    def told(self) -> str:
        """Return in words what became of the requests."""
        return "\n".join((self._told(0), *map(str, self.failures[:_SHOWN])))

    def _told(self, since: int) -> str:
        times = sorted(self.times[since:]) or [0.0]
        slow = f"half of the answers within {times[len(times) // 2]:.3f} s, the slowest after {times[-1]:.2f} s"
        return f"{len(self.times) - since} answers, {len(self.failures)} failures so far; {slow}"

    async def _run(self) -> None:
        sent: set[asyncio.Task[None]] = set()
        self._began = time.monotonic()
        number = 0
        while not self._is_over and (elapsed := time.monotonic() - self._began) < self.longest:
            while number < elapsed * self.rate:
                sent.add(asyncio.create_task(self._send(self.targets[number % len(self.targets)], number)))
                number += 1
            sent = {task for task in sent if not task.done()}
            await asyncio.sleep(1 / self.rate)
        await asyncio.gather(*sent)
        for connections in self._kept.values():
            for connection in connections:
                connection.close()

    async def _send(self, target: Address, number: int) -> None:
        began, step = time.monotonic(), self.step
        try:
            async with asyncio.timeout(self.limit):
                what = await self._ask(target, is_kept=number // len(self.targets) % 2 == 0)
        except (OSError, TimeoutError, asyncio.IncompleteReadError, http.client.HTTPException) as error:
            what = repr(error)
        took = time.monotonic() - began
        if what:
            self.failures.append(Failure(began - self._began, took, step, target, what))
        else:
            self.times.append(took)

    async def _ask(self, target: Address, *, is_kept: bool) -> str:
        """Return what is wrong with the answer; empty if nothing is."""
        idle = self._kept.setdefault(target, [])
        while is_kept and idle and not idle[-1].is_usable:
            idle.pop().close()
        connection = idle.pop() if is_kept and idle else await _Connection.to(target)
        try:
            status, headers, body = await connection.get(self.path, is_last=not is_kept)
            if is_kept and connection.requests < _PER_CONNECTION and headers.get("connection") != "close":
                idle.append(connection)
                connection = None
        finally:
            if connection is not None:
                connection.close()
        self.tasks.add(headers.get("x-task", ""))
        return "" if status == 200 else f"status {status}, {headers}, {body[:100]!r}"


@dataclass
class _Connection:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: int = 0
    used: float = 0.0

    @property
    def is_usable(self) -> bool:
        """Whether it has not been idle for so long that the proxy may be about to close it."""
        return time.monotonic() - self.used < _IDLE and not self.reader.at_eof()

    @classmethod
    async def to(cls, target: Address) -> "_Connection":
        return cls(*await asyncio.open_connection(*target))

    async def get(self, path: str, *, is_last: bool) -> tuple[int, dict[str, str], bytes]:
        self.requests += 1
        last = "Connection: close\r\n" if is_last else ""
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: load\r\n{last}\r\n".encode())
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        lines = (line.partition(": ") for line in head[1:] if line)
        headers = {name.lower(): value for name, _, value in lines}
        body = await self.reader.readexactly(int(headers.get("content-length", "0")))
        self.used = time.monotonic()
        return int(head[0].split()[1]), headers, body

    def close(self) -> None:
        self.writer.close()
