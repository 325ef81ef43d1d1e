"""`Published`: the snapshot a listener gives out, those who wait for the next one, and what proxies report back."""

import asyncio
import gzip
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

from controller.sources.wire import SnapshotWriter
from models.snapshot import Snapshot

_FORGOTTEN_AFTER = 120.0
"""Seconds without a poll after which a replica is taken to be gone."""


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
    """What one proxy says of itself: the etag it has programmed, and a digest of its conditions."""

    replica: str
    address: str
    programmed: str
    conditions: str


@dataclass(slots=True)
class Published:
    """Holds the version in force; ``clock`` gives monotonic seconds."""

    clock: Callable[[], float] = time.monotonic
    _version: Version | None = None
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _is_closed: bool = False
    _writer: SnapshotWriter = field(default_factory=SnapshotWriter)
    _reports: dict[tuple[str, str], tuple[Report, float]] = field(default_factory=dict)

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

    def note(self, report: Report) -> None:
        """Take down what a proxy reports."""
        self._reports[report.replica, report.address] = (report, self.clock())

    def reports(self) -> list[tuple[Report, float]]:
        """Return the reports of the proxies that still ask, each with its age in seconds."""
        now = self.clock()
        self._reports = {
            key: (report, at) for key, (report, at) in self._reports.items() if now - at < _FORGOTTEN_AFTER
        }
        return [(report, now - at) for report, at in sorted(self._reports.values(), key=lambda item: item[0].replica)]
