"""The account that a reconcile gives of itself: the one line that it writes to the log, with everything in it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import isfinite
from time import monotonic

from controller.changes import Applied
from controller.loop import Round
from controller.metrics import Metrics
from controller.status import News


@dataclass(slots=True)
class Account:
    """What made the controller look, and where the time went.

    ``causes``, and ``waiting_since`` (monotonic seconds), are those of all reconciles since the last that came to its
    end; ``began`` and ``stages`` (seconds by stage) are those of the one that runs.
    """

    metrics: Metrics
    causes: dict[str, None] = field(default_factory=dict)
    waiting_since: float | None = None
    began: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    services: int | None = None

    def begin(self, started: Round) -> None:
        """Note that a reconcile begins."""
        self.began = monotonic()
        self.causes |= dict.fromkeys(started.causes)
        self.stages, self.services = {}, None
        if self.waiting_since is None:
            self.waiting_since = started.dirty_since

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the time spent in one stage, for the metric and for the line."""
        began = monotonic()
        try:
            with self.metrics.stage(name):
                yield
        finally:
            self.stages[name] = self.stages.get(name, 0.0) + monotonic() - began

    def end(self) -> None:
        """Note that HAProxy runs what is desired."""
        self.causes, self.waiting_since = {}, None

    @property
    def seconds(self) -> float:
        """How long the one that runs has taken so far."""
        return monotonic() - self.began

    @property
    def facts(self) -> dict[str, object]:
        """What can be told of any reconcile, whatever becomes of it: causes, services, and milliseconds by stage."""
        times = {**self.stages, "total": self.seconds}
        if self.waiting_since is not None:
            times["since_change"] = monotonic() - self.waiting_since
        return {
            "causes": [*self.causes],
            "services": self.services,
            "ms": {stage: round(seconds * 1000, 1) for stage, seconds in times.items()},
        }


def of_applied(applied: Applied, news: News) -> dict[str, object]:
    """Return what a reconcile changed."""
    counts = Counter(change.verb for change in news.footprints.values())
    return {
        "outcome": applied.outcome.value,
        "reload_reasons": [reason.value for reason in applied.reload_reasons],
        "refused": applied.refusal or None,
        "commands": applied.commands,
        "pending": len(applied.pending),
        **{verb: counts[verb] for verb in ("added", "changed", "removed")},
    }


def of_world(conditions: str, source_age: float) -> dict[str, object]:
    """Return the digest of all conditions, and how many seconds ago the source was last read in full (None: never)."""
    return {"conditions": conditions, "source_age": round(source_age, 1) if isfinite(source_age) else None}
