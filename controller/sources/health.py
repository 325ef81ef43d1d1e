"""How a source is doing: what metrics and status ask of every source alike, and how its faults are logged.

A source is read every second or so, so a fault would fill the log if it were reported at each reading. An
`Outage` reports its beginning, each change of its cause, and its end.
"""

import time
from collections.abc import Callable
from typing import Protocol

import structlog

from controller.ports import Source

_log = structlog.get_logger()

Clock = Callable[[], float]
"""Monotonic seconds, as `time.monotonic` counts them."""


class HealthySource(Source, Protocol):
    """A source that tells how it is doing, and can be closed: all sources here."""

    @property
    def last_success(self) -> float | None:
        """Monotonic seconds of the last successful reading; None if there was none."""

    @property
    def error(self) -> str | None:
        """Why the source cannot be read now, or not in full, for the operator; None if all is well."""

    def doubt(self) -> None:
        """Have the next reading take nothing from earlier ones."""

    async def close(self) -> None:
        """Let go of files and connections; nothing is read afterwards."""


class HealthRecord:
    """The health of a source that calls `succeeded` and `failed` after each reading."""

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self.last_success: float | None = None
        self.error: str | None = None

    def doubt(self) -> None:
        """Most sources read everything each time."""

    def succeeded(self) -> None:
        """Note that the source was just read in full."""
        self.last_success = self._clock()
        self.error = None

    def failed(self, error: object) -> None:
        """Note why it could not be read."""
        self.error = str(error)


class Outage:
    """Logs one kind of fault when it begins, when its cause changes, and when it is over; not in between.

    ``begins`` and ``ends`` are the messages; ``values`` go with each of them.
    """

    def __init__(self, begins: str, ends: str, **values: str) -> None:
        self._begins = begins
        self._ends = ends
        self._values = values
        self._cause: str | None = None

    def begin(self, cause: object) -> bool:
        """Report the fault unless it was reported; True if it was not there before."""
        is_new = self._cause is None
        if str(cause) != self._cause:
            self._cause = str(cause)
            _log.warning(self._begins, error=self._cause, **self._values)
        return is_new

    def end(self) -> bool:
        """Report that the fault is over, if there was one; True if there was."""
        was_there = self._cause is not None
        if was_there:
            self._cause = None
            _log.info(self._ends, **self._values)
        return was_there
