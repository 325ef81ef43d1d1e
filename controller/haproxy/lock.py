"""One controller per state folder: two of them would undo each other's work for ever."""

import fcntl
import os
from pathlib import Path

from controller.errors import TemporaryError

_FILE = "controller.lock"


class StateLock:
    """A lock on a state folder, held until `release` or the end of this process; HAProxy does not inherit it.

    Raises:
        TemporaryError: another controller holds it.
    """

    def __init__(self, folder: Path) -> None:
        path = folder / _FILE
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode().strip()
            self.release()
            raise TemporaryError(f"Another controller (process {holder}) uses the state folder {folder}") from error
        os.truncate(self._descriptor, 0)
        os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)

    def release(self) -> None:
        """Let another controller have the folder; may be called again."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor = -1
