"""`History`: what the latest reconciles did, and why, in words that may be shown to everybody.

It is made of what a reconcile has worked out anyway: the plan, what was applied, and what is new of services. Rounds
that found nothing to do are not in it. It is bounded in the number of its entries, in what each tells, and in bytes.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from types import MappingProxyType
from typing import Any

from controller import changes
from controller.changes import Applied, Change, Outcome, Plan, ReloadReason
from controller.status import FootprintChange, News
from models.conditions import Condition

MOST_ENTRIES = 200
MOST_BYTES = 1 << 20
"""Characters of all entries together."""
MOST_TOLD = 40
"""Services and runtime changes that one entry tells of; of more it tells the number."""
_LONGEST = 240
"""Characters of one text."""


@dataclass(frozen=True, slots=True)
class ServiceNews:
    """What became of one service: the routes that it gained and lost, and what else is true of it now.

    ``verb`` is ``added``, ``changed``, ``removed``, or ``judged`` if HAProxy has of it what it had before.
    """

    name: str
    verb: str
    gained: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()
    conditions: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """One reconcile, or several in a row (``times``) that did the same; ``at`` is when the last of them ended.

    ``seconds`` is how long that one took. ``causes`` say why it ran, ``steps`` are the runtime changes in words;
    ``more_services`` and ``more_steps`` are the numbers of those that are left out. ``pending`` is the number of
    retirements that connections hold up, ``error`` why it failed, if it did.
    """

    number: int
    at: datetime
    outcome: Outcome
    seconds: float
    causes: tuple[str, ...] = ()
    reload_reasons: tuple[ReloadReason, ...] = ()
    services: tuple[ServiceNews, ...] = ()
    more_services: int = 0
    steps: tuple[str, ...] = ()
    more_steps: int = 0
    pending: int = 0
    error: str = ""
    times: int = 1

    @property
    def size(self) -> int:
        """The characters of its texts."""
        words = (each for service in self.services for each in (service.name, *service.gained, *service.lost))
        told = (fact.message for service in self.services for fact in service.conditions)
        return sum(map(len, (*words, *told, *self.steps, *self.causes, self.error)))

    def repeats(self, other: "Entry") -> bool:
        """Return whether it did the same as the other one, for whatever cause and however long it took."""
        return self == replace(
            other, number=self.number, at=self.at, seconds=self.seconds, causes=self.causes, times=self.times
        )


@dataclass(slots=True)
class History:
    """Keeps the latest entries; ``now`` gives the current time. ``changed`` is set, and replaced, with each new one."""

    now: Callable[[], datetime]
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    last_at: datetime | None = None
    _entries: deque[Entry] = field(default_factory=deque)
    _number: int = 0
    _size: int = 0

    @property
    def entries(self) -> tuple[Entry, ...]:
        """All that are kept, the newest first."""
        return tuple(reversed(self._entries))

    @property
    def number(self) -> int:
        """How many reconciles did something, or failed, since the controller started."""
        return self._number

    def converged(
        self, plan: Plan, applied: Applied, news: News, *, seconds: float, causes: Iterable[str] = ()
    ) -> None:
        """Note a reconcile that came to its end."""
        self.last_at = self.now()
        if applied.outcome is Outcome.NOOP and not news:
            return
        planned = (*plan.changes, *plan.retirements) if applied.outcome is Outcome.RUNTIME else ()
        names = sorted({*news.footprints, *news.conditions})
        self._add(
            Entry(
                self._number + 1,
                self.now(),
                applied.outcome,
                seconds,
                causes=tuple(causes),
                reload_reasons=applied.reload_reasons,
                services=tuple(_service_news(name, news) for name in names[:MOST_TOLD]),
                more_services=max(0, len(names) - MOST_TOLD),
                steps=tuple(map(in_words, islice(planned, MOST_TOLD))),
                more_steps=max(0, len(planned) - MOST_TOLD),
                pending=len(applied.pending),
            )
        )

    def failed(self, words: str, *, seconds: float, causes: Iterable[str] = ()) -> None:
        """Note a reconcile that did not come to its end; the words are shown to everybody."""
        told = words[: 4 * _LONGEST]
        self._add(Entry(self._number + 1, self.now(), Outcome.FAILED, seconds, causes=tuple(causes), error=told))

    def of(self, service: str) -> tuple[Entry, ...]:
        """Return the entries that tell of a service, the newest first."""
        return tuple(entry for entry in self.entries if any(each.name == service for each in entry.services))

    def _add(self, entry: Entry) -> None:
        self._number = entry.number
        if self._entries and entry.repeats(last := self._entries[-1]):
            self._size -= last.size
            self._entries[-1] = entry = replace(entry, times=last.times + 1)
        else:
            self._entries.append(entry)
        self._size += entry.size
        while len(self._entries) > MOST_ENTRIES or (self._size > MOST_BYTES and len(self._entries) > 1):
            self._size -= self._entries.popleft().size
        self.changed.set()
        self.changed = asyncio.Event()


def _service_news(name: str, news: News) -> ServiceNews:
    change = news.footprints.get(name, FootprintChange(None, None))
    before, after = (each.routes if each else () for each in change)
    return ServiceNews(
        name,
        change.verb if name in news.footprints else "judged",
        gained=_bounded(route for route in after if route not in before),
        lost=_bounded(route for route in before if route not in after),
        conditions=tuple(replace(fact, message=_short(fact.message)) for fact in news.conditions.get(name, ())),
    )


def _bounded(texts: Iterable[str]) -> tuple[str, ...]:
    found = [*texts]
    shown = tuple(map(_short, found[:MOST_TOLD]))
    return (*shown, f"and {len(found) - MOST_TOLD} more") if len(found) > MOST_TOLD else shown


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


_WORDS: Mapping[type, str] = MappingProxyType(
    {
        changes.BackendAdded: "add backend {0.backend}",
        changes.BackendPublished: "publish backend {0.backend}",
        changes.BackendRetired: "retire backend {0.backend}",
        changes.ServerAdded: "add server {0.backend}/{0.server} at {0.address}:{0.port}",
        changes.ServerMoved: "move server {0.backend}/{0.server} to {0.address}:{0.port}",
        changes.ServerRetired: "retire server {0.backend}/{0.server}",
        changes.MapChanged: "set {1} and delete {2} entries of {0.file}",
        changes.MapReplaced: "replace {0.file} by {1} entries",
        changes.CertificateAdded: "add certificate {0.file}",
        changes.CertificateRotated: "rotate certificate {0.file}",
        changes.CertificateRemoved: "remove certificate {0.file}",
    }
)
"""What is said of each kind of change: never a value, for values may be secret."""


def in_words(change: Change) -> str:
    """Return a runtime change as it may be shown to everybody."""
    counted: Any = change
    entries, removed = len(getattr(counted, "entries", ())), len(getattr(counted, "removed", ()))
    return _short(_WORDS[type(change)].format(change, entries, removed))
