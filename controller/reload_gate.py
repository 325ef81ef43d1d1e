"""The reload gate: reloads cost a process each, so a burst of changes that need one costs only one.

Runtime changes never pass here. Pure: the time is passed in, in seconds of any steady clock.
"""

from dataclasses import dataclass


@dataclass(slots=True)
class ReloadGate:
    """Says how long a reload that is needed now has to wait.

    It waits until nothing has changed for ``quiet`` seconds, but not longer than ``longest`` since it was first
    needed; and two reloads are at least ``interval`` seconds apart.
    """

    quiet: float = 0.2
    longest: float = 1.0
    interval: float = 1.0
    _needed_since: float | None = None
    _last_change: float = 0.0
    _last_reload: float = float("-inf")

    def changed(self, now: float) -> None:
        """Note that the world has changed."""
        self._last_change = now

    def delay(self, now: float) -> float:
        """Return the seconds a reload has to wait; 0 if it may go on."""
        if self._needed_since is None:
            self._needed_since = now
        quiet_at = min(self._last_change + self.quiet, self._needed_since + self.longest)
        return max(quiet_at - now, self._last_reload + self.interval - now, 0.0)

    def settled(self, now: float, *, reloaded: bool) -> None:
        """Note that nothing waits for a reload any more, because there was one or none is needed."""
        self._needed_since = None
        if reloaded:
            self._last_reload = now
