"""An event loop whose clock jumps: when nothing can run, it is the time of the next timer. No test sleeps.

A coroutine that would wait for ever ends with `DeadlockError`, since there is no timer to jump to.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")
START = 1000.0
"""The loop time at which every test begins: not 0, which is false."""


class DeadlockError(AssertionError):
    """Nothing is left to wait for."""


class _Selector(selectors.SelectSelector):
    """Asks for files without waiting, and moves the clock by the time it should have waited."""

    def __init__(self) -> None:
        super().__init__()
        self.now = START

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready:
            if timeout is None:
                raise DeadlockError
            self.now += timeout
        return ready


class JumpingLoop(asyncio.SelectorEventLoop):
    """The loop of a test; its time is what the selector says."""

    def __init__(self) -> None:
        self._clock = _Selector()
        super().__init__(self._clock)

    def time(self) -> float:
        """Return the time in seconds, which moves by jumps only."""
        return self._clock.now


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a loop of its own."""
    with asyncio.Runner(loop_factory=JumpingLoop) as runner:
        return runner.run(main)
