"""A Swarm that never rests: one change every 20 ms, and how long the unluckiest of them waits to be programmed."""

import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from benchmarks.context import Context
from benchmarks.measurement import Finding, Limit, Measurement, median, percentile
from benchmarks.roles import Standing, standing, status
from benchmarks.world import Request

_PAUSE = 0.02
_LOOK = 0.005
_LATEST = 120.0
_PROMISED = Limit(at_most=2)


@dataclass(slots=True)
class Changes:
    """The changes in order: when each was made, and how many of them are programmed."""

    made: Standing
    at: list[float] = field(default_factory=list)
    waited: list[float] = field(default_factory=list)

    def make(self, seconds: float) -> None:
        """Give one service after the other a path more, at a steady pace."""
        began = time.monotonic()
        for number in range(round(seconds / _PAUSE)):
            time.sleep(max(0.0, began + number * _PAUSE - time.monotonic()))
            self.at.append(time.monotonic())
            self.made.engine.call("relabel", "plain", number % self.made.size, self.made.origin, number)

    def is_programmed(self, number: int) -> bool:
        """Tell whether a change is: the new path is routed."""
        path = f"/relabelled-{number}-s{number % self.made.size:05d}"
        return status(self.made.proxy.http, Request(path)) == 200

    def look(self) -> None:
        """Note which changes are programmed now; what is programmed is all changes up to one of them."""
        first, after = len(self.waited), len(self.at)
        if first == after or not self.is_programmed(first):
            return
        known, now = first, time.monotonic()
        while after - known > 1:
            middle = (known + after) // 2
            known, after = (middle, after) if self.is_programmed(middle) else (known, middle)
        self.waited += [now - moment for moment in self.at[first : known + 1]]


def run(context: Context) -> Iterator[Finding]:
    """Measure it at the promised size."""
    seconds = 10 if context.quick else 60
    with standing(context, "plain", context.large) as made:
        before, reloads = made.proxy.metric("swarmgate_reconcile_total"), made.proxy.reloads
        changes = Changes(made)
        maker = threading.Thread(target=changes.make, args=(seconds,))
        maker.start()
        deadline = time.monotonic() + seconds + _LATEST
        while (maker.is_alive() or len(changes.waited) < len(changes.at)) and time.monotonic() < deadline:
            changes.look()
            time.sleep(_LOOK)
        maker.join()
        reconciles = made.proxy.metric("swarmgate_reconcile_total") - before
        reloads = made.proxy.reloads - reloads
    waited, missing = changes.waited, len(changes.at) - len(changes.waited)
    name = f"one change every 20 ms for {seconds} s, {context.large:,} services"
    note = f"{len(changes.at):,} changes, {reconciles:.0f} passes, {reloads} reloads"
    note += f"; {missing} were not programmed within {_LATEST:g} s" if missing else ""
    longest = _LATEST if missing else max(waited)
    yield Measurement(f"{name}: longest until programmed", longest, "s", _PROMISED, note=note)
    if waited:
        yield Measurement(f"{name}: median", median(waited), "s")
        yield Measurement(f"{name}: p99", percentile(waited, 99), "s")
