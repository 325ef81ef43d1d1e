"""Backoff: growing delays between attempts that keep failing, with jitter, so that replicas do not fall in step."""

import random
from collections.abc import Callable


class Backoff:
    """Hands out the delay before the next attempt, in seconds: ``first``, doubled each time, at most ``longest``.

    ``jitter`` gives a factor for each delay; by default between 0.5 and 1.
    """

    def __init__(
        self,
        *,
        first: float = 0.5,
        longest: float = 5.0,
        jitter: Callable[[], float] = lambda: random.uniform(0.5, 1.0),  # noqa: S311 - spreads load, guards nothing
    ) -> None:
        self._first = first
        self._longest = longest
        self._jitter = jitter
        self._failures = 0

    def next_delay(self) -> float:
        """Return the delay after one more failure."""
        delay: float = min(self._longest, self._first * 2.0**self._failures)
        self._failures = min(self._failures + 1, 32)
        return delay * self._jitter()

    def reset(self) -> None:
        """Forget the failures: an attempt has succeeded."""
        self._failures = 0
