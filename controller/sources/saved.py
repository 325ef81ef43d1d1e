"""What a replica knows, on disk: the last good snapshot, so that one that starts while nobody can be asked has a world.

Such a file holds whatever labels hold, passwords too, so only its owner may read it. A disk that is full or read-only
takes that safety net away, but must not take anything else away.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path
from typing import Generic, TypeVar

import structlog

from controller.sources.health import Outage
from controller.sources.wire import SnapshotReader, SnapshotWriter
from models.snapshot import Snapshot

_log = structlog.get_logger()

_PRIVATE = 0o600
T = TypeVar("T")


class Saved(Generic[T]):
    """Something in the file at ``path``, written at most every ``interval`` seconds; ``what`` it is called in the log.

    ``read`` raises `ValueError` for what it cannot read.
    """

    def __init__(
        self,
        path: Path,
        what: str,
        *,
        read: Callable[[bytes], T],
        write: Callable[[T], bytes],
        interval: float = 5.0,
    ) -> None:
        self._path = path
        self._what = what
        self._interval = interval
        self._outage = Outage(f"{what} cannot be saved", f"{what} can be saved again", path=str(path))
        self._writing = threading.Lock()
        self._wanted: T | None = None
        self._written: T | None = None
        self._read = read
        self._write = write
        self._digest = b""
        self._saver: asyncio.Task[None] | None = None

    def load(self) -> T | None:
        """What was saved, or None if there is nothing usable; a corrupt file is reported and left alone."""
        try:
            content = self._path.read_bytes()
            known = self._read(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning(
                f"Saved {self._what[0].lower()}{self._what[1:]} ignored", path=str(self._path), error=str(error)
            )
            return None
        self._digest = _digest(content)
        return known

    def save(self, known: T) -> None:
        """Write it unless the file says the same; a failure is reported once, never raised."""
        with self._writing:
            content = self._write(known)
            digest = _digest(content)
            if digest == self._digest:
                return
            try:
                write_private(self._path, content)
            except OSError as error:
                self._outage.begin(error.strerror or error)
                return
            self._digest = digest
            self._outage.end()

    def save_soon(self, known: T) -> None:
        """Have it, or what follows it, written in the background."""
        self._wanted = known
        if self._saver is None or self._saver.done():
            self._saver = asyncio.create_task(self._save_wanted())

    async def close(self) -> None:
        """Write what is still waiting to be written."""
        if self._saver is not None:
            self._saver.cancel()
            await asyncio.gather(self._saver, return_exceptions=True)
        if self._wanted is not None and self._wanted is not self._written:
            await asyncio.to_thread(self.save, self._wanted)

    async def _save_wanted(self) -> None:
        while self._wanted is not None and self._wanted is not self._written:
            wanted = self._wanted
            await asyncio.to_thread(self.save, wanted)
            self._written = wanted
            await asyncio.sleep(self._interval)


class SavedSnapshot(Saved[Snapshot]):
    """A snapshot in the file at ``path``; not written each time, since tasks come and go fast."""

    def __init__(self, path: Path, *, interval: float = 5.0) -> None:
        super().__init__(path, "Snapshot", read=SnapshotReader().read, write=SnapshotWriter().write, interval=interval)


def _digest(content: bytes) -> bytes:
    return blake2b(content).digest()


def write_private(path: Path, content: bytes) -> None:
    """Replace the file as a whole, readable for its owner only.

    After a crash there is the old one or the new one, never half of one.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _PRIVATE)
    with os.fdopen(descriptor, "wb") as file:
        os.fchmod(descriptor, _PRIVATE)
        file.write(content)
        file.flush()
        os.fsync(descriptor)
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
