"""`Published`: the snapshot a listener gives out, those who wait for the next one, and what proxies report back."""

import asyncio
import gzip
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property

from controller.sources.wire import SnapshotWriter
from models.snapshot import Snapshot

_FORGOTTEN_AFTER = 120.0
"""Seconds without a poll after which a replica is taken to be gone."""
_ABSENT_AFTER = 8.0
"""Seconds after which nobody waits for a replica that got an answer and has not asked again: it takes one at most."""
_LEFT_AFTER = 3.0
"""Seconds after which nobody waits for a replica that hung up: either it is back at once, or it has been stopped."""
_LOOK_AGAIN = 0.5
_ETAGS_REMEMBERED = 256


@dataclass(frozen=True)
class Version:
    """One snapshot, ready to be sent; it is encoded once, however many proxies ask."""

    snapshot: Snapshot
    body: bytes

    @property
    def etag(self) -> str:
        """Identifies the content."""
        return self.snapshot.digest

    @cached_property
    def compressed(self) -> bytes:
        """The same, compressed; quickly, for it crosses a local network."""
        return gzip.compress(self.body, compresslevel=1)


@dataclass(frozen=True, slots=True)
class Report:
    """What one proxy says of itself: the etag it has programmed, and a digest of its conditions.

    ``encrypted``: it says so by TLS, and gets what it asks for by TLS.
    """

    replica: str
    address: str
    programmed: str
    conditions: str
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What is known of one proxy.

    ``converged``: it has programmed the world asked about, or a later one. ``awaited``: it has not, and will: it asks
    for news, and has been ready before. ``seconds_ago`` is when it last asked. ``encrypted``: it asks by TLS; where it
    is false, what is secret in the world is as safe as the network that it crosses.
    """

    replica: str
    address: str
    programmed: str
    conditions: str
    converged: bool
    awaited: bool
    seconds_ago: float
    encrypted: bool


@dataclass(slots=True)
class _Replica:
    """A proxy's last report, how many polls of it are being held, when one last began or ended, and who ended it."""

    report: Report
    at: float
    polls: int = 0
    hung_up: bool = False

    def is_there(self, now: float) -> bool:
        """Whether it asks for news, or will in a moment."""
        return bool(self.polls) or now - self.at < (_LEFT_AFTER if self.hung_up else _ABSENT_AFTER)


@dataclass(slots=True)
class Published:
    """Holds the version in force; ``clock`` gives monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _version: Version | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closed: bool = False
    _writer: SnapshotWriter = field(default_factory=SnapshotWriter)
    _replicas: dict[tuple[str, str], _Replica] = field(default_factory=dict)
    _reported: asyncio.Event = field(default_factory=asyncio.Event)
    _numbers: dict[str, int] = field(default_factory=dict)
    _count: int = 0

    @property
    def etag(self) -> str:
        """The etag in force, empty before the first publication."""
        return self._version.etag if self._version else ""

    @property
    def snapshot(self) -> Snapshot | None:
        """The snapshot in force; None before the first publication."""
        return self._version.snapshot if self._version else None

    async def until(self, holds: Callable[[Snapshot], bool], *, limit: float) -> bool:
        """Wait until something is true of the snapshot in force; False if it is not within ``limit`` seconds."""
        try:
            async with asyncio.timeout(limit):
                while self._version is None or not holds(self._version.snapshot):
                    await self._changed.wait()
        except TimeoutError:
            return False
        return True

    def publish(self, snapshot: Snapshot) -> bool:
        """Put a snapshot in force and wake those who wait; return False if it is the same as before."""
        if self._version and (self._version.snapshot is snapshot or self._version.etag == snapshot.digest):
            return False
        self._version = Version(snapshot, self._writer.write(snapshot))
        self._number(snapshot.digest)
        self._changed.set()
        self._changed = asyncio.Event()
        return True

    async def newer_than(self, etag: str, *, wait: float) -> Version | None:
        """Return the version in force, after waiting up to ``wait`` seconds for one that differs from ``etag``."""
        if not self._is_closed and (self._version is None or self._version.etag == etag):
            try:
                async with asyncio.timeout(wait):
                    await self._changed.wait()
            except TimeoutError:
                pass
        return self._version

    def close(self) -> None:
        """Let go of all who wait, now and from now on: the listener is about to stop."""
        self._is_closed = True
        self._changed.set()
        self._reported.set()

    @contextmanager
    def polling(self, report: Report) -> Iterator[Callable[[], None]]:
        """Take down what a proxy reports; it is there as long as the block runs, and for a moment after.

        Call what the block is given if the proxy hung up before it was answered.
        """
        key = (report.replica, report.address)
        replica = self._replicas.setdefault(key, _Replica(report, self.clock()))
        replica.report, replica.at = report, self.clock()
        replica.polls += 1
        self._reported.set()
        self._reported = asyncio.Event()
        ended_by_proxy = asyncio.Event()
        try:
            yield ended_by_proxy.set
        finally:
            replica.polls -= 1
            replica.at = self.clock()
            # A proxy with news ends one poll and begins another one, and it is the latter that may be noticed first.
            if not replica.polls:
                replica.hung_up = ended_by_proxy.is_set()

    def replicas(self, since: str = "") -> list[ReplicaState]:
        """Return what is known of the proxies; ``since`` is the etag asked about, that in force by default."""
        now = self.clock()
        self._replicas = {
            key: each for key, each in self._replicas.items() if each.polls or now - each.at < _FORGOTTEN_AFTER
        }
        wanted = self._numbers.get(since, self._numbers.get(self.etag, 0))
        return [self._state(self._replicas[key], wanted, now) for key in sorted(self._replicas)]

    async def caught_up(self, since: str, *, limit: float) -> list[ReplicaState]:
        """Wait until no proxy is awaited, for ``limit`` seconds at most, and return what is known then."""
        deadline = self.clock() + limit
        while True:
            reported, states = self._reported, self.replicas(since)
            left = deadline - self.clock()
            if self._is_closed or left <= 0 or not any(state.awaited for state in states):
                return states
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left, _LOOK_AGAIN)):
                    await reported.wait()

    def _state(self, replica: _Replica, wanted: int, now: float) -> ReplicaState:
        report = replica.report
        converged = self._numbers.get(report.programmed, -1) >= wanted
        return ReplicaState(
            report.replica,
            report.address,
            report.programmed,
            report.conditions,
            converged=converged,
            awaited=replica.is_there(now) and bool(report.programmed) and not converged,
            seconds_ago=round(now - replica.at, 1),
            encrypted=report.encrypted,
        )

    def _number(self, etag: str) -> None:
        """Note which world came after which; one that has been there before is the latest again."""
        self._count += 1
        self._numbers.pop(etag, None)
        self._numbers[etag] = self._count
        while len(self._numbers) > _ETAGS_REMEMBERED:
            del self._numbers[next(iter(self._numbers))]
