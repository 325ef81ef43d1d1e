"""What every subject is given: how large, how long, where, and with which HAProxy."""

import math
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from controller.haproxy.binary import haproxy_version

SIZES = (10, 100, 1_000, 5_000, 10_000)
_BUILT = Path("/var/cache/swarmgate-testbed/bin/haproxy-3.4")
_NEEDED = (3, 4)
_LEAST = 3
"""Turns without which there is no telling how much the values differ."""


class UnmeasurableError(Exception):
    """Something that a subject needs is not here; the text says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of a run; ``sizes`` are numbers of services, ``quick`` asks for fewer and shorter runs.

    ``deadline`` is when the subject's time is up, in the seconds of ``clock``.
    """

    sizes: tuple[int, ...]
    quick: bool
    haproxy: Path
    output: Path
    profile: bool = False
    deadline: float = math.inf
    clock: Callable[[], float] = time.monotonic

    @property
    def large(self) -> int:
        """The size that the promises are about: 5,000 services, or the largest that was asked for."""
        promised = 5_000
        return promised if promised in self.sizes else max(self.sizes)

    def some(self, *sizes: int) -> tuple[int, ...]:
        """Return those of some sizes that were asked for, or else the smallest one: not all need all sizes."""
        return tuple(each for each in self.sizes if each in sizes) or self.sizes[:1]

    def rounds(self, full: int, quick: int) -> int:
        """Return how often something is repeated."""
        return quick if self.quick else full

    def within(self, minutes: float) -> "Context":
        """Return the same for a subject that has so much time from now on."""
        return replace(self, deadline=self.clock() + 60 * minutes)

    def part(self, parts: int) -> "Context":
        """Return the same for the next one of so many equal parts of the time that is left."""
        now = self.clock()
        return replace(self, deadline=now + max(0.0, self.deadline - now) / parts)

    def turns(self, full: int, quick: int, *, settled: Callable[[], bool] = lambda: False) -> Iterator[int]:
        """Give the numbers of the turns in which something is repeated.

        There are as many as asked for, but no more once what they gave is ``settled`` or the time is up.
        """
        for turn in range(self.rounds(full, quick)):
            if turn >= _LEAST and (settled() or self.clock() >= self.deadline):
                return
            yield turn


def find_haproxy() -> Path:
    """Return the path of an HAProxy 3.4.

    Raises:
        UnmeasurableError: there is none.
    """
    candidates = (os.environ.get("SWARMGATE_HAPROXY_3_4"), str(_BUILT), shutil.which("haproxy"))
    for path in (Path(each) for each in candidates if each):
        if path.is_file() and (haproxy_version(path) or (0, 0)) >= _NEEDED:
            return path
    raise UnmeasurableError(
        "There is no HAProxy 3.4 here: make one with tests/testbed/haproxy, or name one in SWARMGATE_HAPROXY_3_4."
    )


@contextmanager
def scratch() -> Iterator[Path]:
    """Give a folder whose path is short enough for sockets, and remove it at the end."""
    path = Path(tempfile.mkdtemp(prefix="sgb-", dir="/tmp"))
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def free_ports(count: int = 1) -> list[int]:
    """Return TCP ports that nobody listens on."""
    opened = [socket.socket() for _ in range(count)]
    try:
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]
    finally:
        for each in opened:
            each.close()
