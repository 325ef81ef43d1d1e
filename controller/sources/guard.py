"""The last line before a world is believed: what looks like an accident is read twice, what was good is kept.

A Swarm that has just lost its quorum, a manager that has not caught up, or a listener that has just started may
answer correctly that there are no services, or that these have no tasks. Acting on it would take every site down at
once; waiting for a second reading costs a moment, and only when so much vanishes.
"""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import structlog

from controller.errors import SourceUnavailableError
from controller.places import snapshot_in
from controller.sources.health import HealthySource, Outage
from controller.sources.saved import SavedSnapshot
from models.snapshot import Snapshot, SwarmService

_log = structlog.get_logger()

FEW = 10
"""With fewer services than this, losing half of them is everyday business."""


class SnapshotGuard:
    """Decides whether a snapshot is believed: at once, or only when the next one has lost the same."""

    def __init__(self, accepted: Snapshot | None = None) -> None:
        self.accepted = accepted
        self._held: tuple[frozenset[str], ...] | None = None

    def admits(self, snapshot: Snapshot) -> bool:
        """True if the snapshot is now the accepted one; False if it is held until another agrees with it."""
        if is_suspicious(self.accepted, snapshot):
            left = snapshot.names, snapshot.with_tasks
            if left != self._held:
                self._held = left
                return False
        self._held = None
        self.accepted = snapshot
        return True


def is_suspicious(accepted: Snapshot | None, snapshot: Snapshot) -> bool:
    """True if nothing is left, or less than half of ten services or more, or if the first snapshot ever is empty.

    The same holds for the tasks of services that want some: a service is lost, too, if it has no task any more.
    """
    if accepted is None:
        return not snapshot.services
    if _nothing_is_lost(accepted, snapshot):
        return False
    wanting = frozenset(service.name for service in snapshot.services if service.replicas != 0)
    served = accepted.with_tasks & wanting
    return _is_loss(accepted.names, snapshot.names) or _is_loss(served, snapshot.with_tasks)


def _nothing_is_lost(accepted: Snapshot, snapshot: Snapshot) -> bool:
    """True if each service is still there, and has tasks if it had some and wants some.

    A change is about a few of thousands, and the others are the very same objects: these are not looked at.
    """
    before, after = (dict(zip(map(id, each.services), each.services, strict=True)) for each in (accepted, snapshot))
    fresh = {after[identity].name: after[identity] for identity in after.keys() - before.keys()}
    changed = (before[identity] for identity in before.keys() - after.keys())
    return all(_is_kept(service, fresh.get(service.name)) for service in changed)


def _is_kept(service: SwarmService, now: SwarmService | None) -> bool:
    return now is not None and bool(now.tasks or not service.tasks or now.replicas == 0)


def _is_loss(before: frozenset[str], after: frozenset[str]) -> bool:
    return bool(before) and (not after or (len(before) >= FEW and len(before & after) * 2 < len(before)))


class GuardedSource:
    """A source that holds on to its last good snapshot, in memory and (with a ``state_dir``) on disk.

    ``confirm_after`` is in seconds: how soon a suspicious snapshot is read a second time. ``stale_since`` and
    ``error`` tell since when and why the snapshot is not fresh; both are None while it is.
    """

    def __init__(
        self,
        inner: HealthySource,
        state_dir: Path | None = None,
        *,
        confirm_after: float = 0.3,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._inner = inner
        self._saved = SavedSnapshot(snapshot_in(state_dir)) if state_dir else None
        self._guard: SnapshotGuard | None = None
        self._confirm_after = confirm_after
        self._now = now
        self._turn = asyncio.Lock()
        self._outage = Outage("Source unreachable", "Source reachable again")
        self._error: str | None = None
        self.stale_since: datetime | None = None

    @property
    def error(self) -> str | None:
        """Why the snapshot is stale or incomplete, for the operator; None if it is neither."""
        return self._error or self._inner.error

    @property
    def last_success(self) -> float | None:
        """Monotonic seconds of the last reading of the inner source; None if there was none."""
        return self._inner.last_success

    async def snapshot(self) -> Snapshot:
        """What the inner source says, if it is believed, or else the last good snapshot.

        An unchanged world is the very same object again, so that what was derived from it need not be derived anew.

        Raises:
            SourceUnavailableError: the source cannot be read, and there is no last good snapshot.
        """
        async with self._turn:
            guard = await self._restored()
            last_good = guard.accepted
            try:
                snapshot = await self._believed(guard)
            except SourceUnavailableError as error:
                return self._stale(last_good, error)
            self._fresh()
            return self._keep(guard, last_good, snapshot)

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """As the inner source does."""
        await self._inner.watch(mark_dirty)

    def doubt(self) -> None:
        """As the inner source does."""
        self._inner.doubt()

    async def close(self) -> None:
        """Finish writing to disk, and close the inner source."""
        if self._saved is not None:
            await self._saved.close()
        await self._inner.close()

    async def _restored(self) -> SnapshotGuard:
        """The guard, which begins with the snapshot of an earlier life."""
        if self._guard is None:
            saved = await asyncio.to_thread(self._saved.load) if self._saved else None
            self._guard = SnapshotGuard(saved)
        return self._guard

    async def _believed(self, guard: SnapshotGuard) -> Snapshot:
        """Read once or, if that gives a reason for doubt, twice.

        Raises:
            SourceUnavailableError: the source cannot be read, or does not say the same twice.
        """
        first = await self._inner.snapshot()
        if guard.admits(first):
            return first
        known = len(guard.accepted.services) if guard.accepted else 0
        if known:
            left = {"services": len(first.services), "with_tasks": len(first.with_tasks)}
            _log.warning("Smaller snapshot held until confirmed", **left, known=known)
        self._inner.doubt()
        await asyncio.sleep(self._confirm_after)
        second = await self._inner.snapshot()
        if guard.admits(second):
            _log.info("Snapshot confirmed", services=len(second.services), known=known)
            return second
        raise SourceUnavailableError(
            f"the source lost most of its {known} services at once, or all tasks of most, and named others when asked "
            "again: not believed yet"
        )

    def _keep(self, guard: SnapshotGuard, last_good: Snapshot | None, snapshot: Snapshot) -> Snapshot:
        if snapshot is last_good or snapshot == last_good:
            guard.accepted = last_good
            return last_good or snapshot
        if self._saved is not None:
            self._saved.save_soon(snapshot)
        return snapshot

    def _fresh(self) -> None:
        self._outage.end()
        self._error = self.stale_since = None

    def _stale(self, last_good: Snapshot | None, error: SourceUnavailableError) -> Snapshot:
        self._error = str(error)
        self.stale_since = self.stale_since or self._now()
        if last_good is None:
            # Whoever is left without a snapshot handles the error, and logs it.
            raise error
        self._outage.begin(error)
        return last_good
