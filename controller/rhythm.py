"""When somebody who comes at regular intervals will come again. Pure; times are in seconds of any clock."""

from dataclasses import dataclass

_TOLERANCE = 0.1
"""How much an interval may differ from the one before, as a share of it."""
_LONGEST = 300.0


@dataclass(slots=True)
class Rhythm:
    """The last visit, and the interval before it."""

    _last: float | None = None
    _interval: float | None = None

    def came(self, at: float) -> float | None:
        """Note a visit; return when the next one is to be expected, None if there is no telling."""
        interval = None if self._last is None else at - self._last
        known, self._last, self._interval = self._interval, at, interval
        if interval is None or known is None or interval > _LONGEST:
            return None
        return at + interval if abs(interval - known) <= _TOLERANCE * known else None
