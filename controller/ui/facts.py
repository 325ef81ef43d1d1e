"""`Facts`: everything that the pages show, and where it is asked for; what others answer is asked for sparingly."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from controller.errors import SwarmgateError
from controller.haproxy.answers import Load, ServerStatistics
from controller.history import History
from controller.http.answers.probes import Readiness
from controller.published import ReplicaState
from controller.status import StatusStore
from models.settings import ProxySettings
from models.snapshot import Snapshot

K = TypeVar("K")
V = TypeVar("V")

_FRESH = 1.0
"""Seconds for which an answer is shown again, however many look at the page."""


@dataclass(frozen=True, slots=True)
class Told(Generic[V]):
    """What somebody answered, or (None) why nothing was."""

    answer: V | None = None
    problem: str = ""


@dataclass(slots=True)
class Asking(Generic[K, V]):
    """Asks one question at a time, so that many who look at pages are no burden to HAProxy or a listener."""

    ask: Callable[[K], Awaitable[V]]
    clock: Callable[[], float] = time.monotonic
    _turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    _last: tuple[K, float, Told[V]] | None = None

    async def __call__(self, what: K) -> Told[V]:
        """Return the answer, which may be a second old if the same was asked last."""
        async with self._turn:
            if self._last is None or self._last[0] != what or self.clock() - self._last[1] >= _FRESH:
                told = await self._told(what)
                self._last = (what, self.clock(), told)
            return self._last[2]

    async def _told(self, what: K) -> Told[V]:
        try:
            return Told(await self.ask(what))
        except SwarmgateError as error:
            return Told(problem=str(error))


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of services, HAProxy and other replicas.

    ``staleness`` is in seconds; ``source`` says in words where the world comes from. ``statistics`` answers for some
    backends; ``replicas`` is None where nobody knows of any. ``replica`` is what this one is called.
    """

    settings: ProxySettings
    status: StatusStore
    history: History
    world: Callable[[], Snapshot]
    readiness: Callable[[], Readiness]
    staleness: Callable[[], float]
    source: str
    statistics: Asking[Sequence[str], tuple[ServerStatistics, ...]]
    load: Asking[None, Load]
    replicas: Asking[None, tuple[ReplicaState, ...]] | None = None
    replica: str = ""
