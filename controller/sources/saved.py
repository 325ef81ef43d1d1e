"""The last good snapshot on disk, so that a replica that starts while nobody can be asked still knows its world.

It holds whatever labels hold, passwords too, so only its owner may read it. A disk that is full or read-only
takes that safety net away, but must not take anything else away.
"""

import asyncio
import os
import threading
from hashlib import blake2b
from pathlib import Path

import structlog

from controller.sources.health import Outage
from controller.sources.wire import SnapshotReader, SnapshotWriter
from models.snapshot import Snapshot

_log = structlog.get_logger()

_PRIVATE = 0o600


class SavedSnapshot:
    """A snapshot in the file at ``path``; written at most every ``interval`` seconds, since tasks come and go fast."""

    def __init__(self, path: Path, *, interval: float = 5.0) -> None:
        self._path = path
        self._interval = interval
        self._outage = Outage("Snapshot cannot be saved", "Snapshot can be saved again", path=str(path))
        self._writing = threading.Lock()
        self._wanted: Snapshot | None = None
        self._written: Snapshot | None = None
        self._writer = SnapshotWriter()
        self._digest = b""
        self._saver: asyncio.Task[None] | None = None

    def load(self) -> Snapshot | None:
        """What was saved, or None if there is nothing usable; a corrupt file is reported and left alone."""
        try:
            content = self._path.read_bytes()
            snapshot = SnapshotReader().read(content)
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            _log.warning("Saved snapshot ignored", path=str(self._path), error=str(error))
            return None
        self._digest = _digest(content)
        return snapshot

    def save(self, snapshot: Snapshot) -> None:
        """Write the snapshot unless the file says the same; a failure is reported once, never raised."""
        with self._writing:
            content = self._writer.write(snapshot)
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

    def save_soon(self, snapshot: Snapshot) -> None:
        """Have the snapshot, or one that follows it, written in the background."""
        self._wanted = snapshot
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
            snapshot = self._wanted
            await asyncio.to_thread(self.save, snapshot)
            self._written = snapshot
            await asyncio.sleep(self._interval)


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
