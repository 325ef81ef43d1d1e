"""What every subject is given: how large, how long, where, and with which HAProxy."""

import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from controller.haproxy.binary import haproxy_version

SIZES = (10, 100, 1_000, 5_000, 10_000)
_BUILT = Path("/var/cache/swarmgate-testbed/bin/haproxy-3.4")
_NEEDED = (3, 4)


class UnmeasurableError(Exception):
    """Something that a subject needs is not here; the text says what, and how to get it."""


@dataclass(frozen=True, slots=True)
class Context:
    """The circumstances of a run; ``sizes`` are numbers of services, ``quick`` asks for fewer and shorter runs."""

    sizes: tuple[int, ...]
    quick: bool
    haproxy: Path
    output: Path
    profile: bool = False

    @property
    def large(self) -> int:
        """The size that the promises are about: 5,000 services, or the largest that was asked for."""
        promised = 5_000
        return promised if promised in self.sizes else max(self.sizes)

    def rounds(self, full: int, quick: int) -> int:
        """Return how often something is repeated."""
        return quick if self.quick else full


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
