"""The control loop: events only mark the world dirty, and one function looks at the whole of it again.

There is one key, the world, and no handler that depends on having seen an event. After a change the loop waits for
a quiet moment, but never longer than a set time, so that a burst costs one reconcile and no burst starves. Failures
are obeyed, not interpreted: they say themselves when to try again.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import structlog

from controller.backoff import Backoff
from controller.errors import MisconfiguredError, PermanentError, TemporaryError

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast the loop goes, in seconds.

    ``quiet``: time without a further change before a reconcile; ``longest``: the most a change waits for
    quiet; ``resync``: time after which the world is looked at although nothing seems to have changed.
    """

    quiet: float = 0.02
    longest: float = 1.0
    resync: float = 30.0


@dataclass(frozen=True, slots=True)
class Round:
    """Why a reconcile runs: ``resync`` if the slow timer asked for it; when the first unseen change was (loop time).

    ``causes`` are the reasons in words, each once. ``overtaken`` tells whether there has been another change since it
    began. In ``facts`` a reconcile leaves what is to be told if it fails.
    """

    resync: bool
    dirty_since: float | None
    causes: tuple[str, ...] = ()
    overtaken: Callable[[], bool] = field(default=lambda: False, compare=False)
    facts: dict[str, object] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Result:
    """What a reconcile wants next: to run again after some seconds, or (None) when something changes."""

    requeue_after: float | None = None


class ControlLoop:
    """Runs one reconcile function whenever the world may have changed."""

    def __init__(
        self, reconcile: Callable[[Round], Awaitable[Result]], *, pace: Pace, backoff: Backoff | None = None
    ) -> None:
        self._reconcile = reconcile
        self._pace = pace
        self._backoff = backoff or Backoff()
        self._dirty = asyncio.Event()
        self._dirty_since: float | None = None
        self._dirty_last = 0.0
        self._causes: dict[str, None] = {}

    def mark_dirty(self, reason: str) -> None:
        """Ask for a reconcile; ``reason`` is for people only. Call it in the event loop's thread."""
        log.debug("Marked dirty", reason=reason)
        self._causes[reason] = None
        self._dirty_last = asyncio.get_running_loop().time()
        if self._dirty_since is None:
            self._dirty_since = self._dirty_last
        self._dirty.set()

    async def run(self) -> None:
        """Reconcile once at the start and then on every cause, until cancelled."""
        clock = asyncio.get_running_loop().time
        delay: float | None = 0.0
        next_resync = clock() + self._pace.resync
        otherwise = "start"
        while True:
            await self._wait(next_resync - clock() if delay is None else delay)
            resync = clock() >= next_resync
            if resync:
                next_resync = clock() + self._pace.resync
            causes = (*self._causes, *(["resync"] if resync else [])) or (otherwise,)
            started = Round(resync, self._dirty_since, causes, overtaken=self._dirty.is_set)
            self._dirty.clear()
            self._dirty_since, self._causes, otherwise = None, {}, "retry"
            delay = await self._attempt(started)

    async def _wait(self, seconds: float) -> None:
        """Wait for a change, and then for quiet, but not for longer than some seconds."""
        try:
            async with asyncio.timeout(seconds):
                await self._dirty.wait()
        except TimeoutError:
            return
        await self._settle()

    async def _settle(self) -> None:
        """Wait until no change has come for the quiet time, or the first one has waited for the longest."""
        clock = asyncio.get_running_loop().time
        deadline = (self._dirty_since or clock()) + self._pace.longest
        while (pause := min(self._dirty_last + self._pace.quiet, deadline) - clock()) > 0:  # noqa: ASYNC110 - changes move it
            await asyncio.sleep(pause)

    async def _attempt(self, started: Round) -> float | None:
        """Reconcile; return the delay before the next attempt, None to wait for a change."""
        try:
            result = await self._reconcile(started)
        except MisconfiguredError:
            raise
        except PermanentError as error:
            words = "Reconcile failed until something changes"
            log.error(words, error=str(error), **started.facts)  # noqa: TRY400 - for the operator
            return None
        except TemporaryError as error:
            delay = error.delay if error.delay is not None else self._backoff.next_delay()
            log.warning("Reconcile failed and is tried again", error=str(error), delay=round(delay, 2), **started.facts)
            return delay
        except Exception:
            delay = self._backoff.next_delay()
            log.exception("Reconcile failed unexpectedly and is tried again", delay=round(delay, 2), **started.facts)
            return delay
        self._backoff.reset()
        return result.requeue_after
