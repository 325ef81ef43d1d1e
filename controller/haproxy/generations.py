"""The files HAProxy is started from, as a row of complete sets of which one is in force.

``<folder>/generations/<n>/`` is written once and never changed; the symbolic link ``<folder>/current`` names the one in
force and is replaced in one step. So whatever happens at whatever moment, ``current`` is a whole configuration.
"""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from render.files import CONFIG_FILE

_KEPT = 3
_FOLDER_MODE = 0o700
_FILE_MODE = 0o600


class Generations:
    """The generations below one folder; its methods do blocking file I/O."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._all = folder / "generations"
        self._known: dict[str, _Known] = {}

    @property
    def config(self) -> Path:
        """The configuration file in force: the path HAProxy is started with, so that a reload reads the newest."""
        return self._folder / "current" / CONFIG_FILE

    def config_of(self, generation: int) -> Path:
        """Return the configuration file of one generation."""
        return self._path(generation) / CONFIG_FILE

    def current(self) -> int | None:
        """Return the generation in force, None before the first."""
        try:
            name = (self._folder / "current").readlink().name
        except FileNotFoundError:
            return None
        return int(name)

    def write(self, files: Mapping[str, bytes]) -> int:
        """Write a complete set of files and return its number, which is the current one if nothing differs.

        What did not change is a hard link to the current generation's file; what did is on the disk on return.

        Raises:
            OSError: they cannot be written; nothing is left of them.
        """
        current = self.current()
        unchanged = frozenset() if current is None else self._unchanged(current, files)
        if current is not None and len(unchanged) == len(files) == len(_files_below(self._path(current))):
            return current
        generation = max(self._numbers(), default=0) + 1
        try:
            self._fill(generation, files, unchanged, current)
        except OSError:
            self.discard(generation)
            raise
        return generation

    def switch(self, generation: int | None) -> None:
        """Put a generation in force; None takes the one in force out."""
        link = self._folder / "current"
        if generation is None:
            link.unlink(missing_ok=True)
        elif generation != self.current():
            temporary = self._folder / "current.new"
            temporary.unlink(missing_ok=True)
            temporary.symlink_to(self._path(generation).relative_to(self._folder))
            temporary.replace(link)
        _sync(self._folder)

    def discard(self, generation: int) -> None:
        """Remove a generation that was never in force; the current one stays."""
        if generation != self.current():
            shutil.rmtree(self._path(generation), ignore_errors=True)

    def prune(self) -> None:
        """Remove all but the last few generations and the current one."""
        for generation in sorted(self._numbers())[:-_KEPT]:
            self.discard(generation)

    def _path(self, generation: int) -> Path:
        return self._all / str(generation)

    def _numbers(self) -> list[int]:
        if not self._all.is_dir():
            return []
        return [int(entry.name) for entry in self._all.iterdir() if entry.name.isdigit()]

    def _unchanged(self, current: int, files: Mapping[str, bytes]) -> frozenset[str]:
        folder = self._path(current)
        return frozenset(name for name, content in files.items() if self._holds(folder / name, name, content))

    def _holds(self, path: Path, name: str, content: bytes) -> bool:
        """Return whether a file has this content; one that is as it was written is not read."""
        known, identity = self._known.get(name), _identity(path)
        if identity is None:
            return False
        if known is None or known.identity != identity:
            known = self._known[name] = _Known(identity, path.read_bytes())
        return known.content == content

    def _fill(self, generation: int, files: Mapping[str, bytes], unchanged: frozenset[str], base: int | None) -> None:
        folder = self._path(generation)
        for parent in {(folder / name).parent for name in files}:
            _make_folder(parent, root=self._folder)
        for name, content in files.items():
            if name in unchanged and base is not None:
                (folder / name).hardlink_to(self._path(base) / name)
            else:
                self._known[name] = _Known(_write(folder / name, content), content)
        for parent in {(folder / name).parent for name in files} | {self._all}:
            _sync(parent)
        self._known = {name: known for name, known in self._known.items() if name in files}


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files that only their owner may read, and that need not outlast the machine."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)
        path.touch(mode=_FILE_MODE)
        path.write_bytes(content)


def _make_folder(path: Path, *, root: Path) -> None:
    for folder in [*reversed(path.relative_to(root).parents), path.relative_to(root)]:
        (root / folder).mkdir(mode=_FOLDER_MODE, parents=True, exist_ok=True)


def _files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@dataclass(frozen=True, slots=True)
class _Known:
    """A file as it was last seen: what told it apart from any other file and any later state of it, and its content."""

    identity: tuple[int, ...]
    content: bytes = field(repr=False)


def _identity(path: Path) -> tuple[int, ...] | None:
    try:
        return _told_apart(path.stat())
    except FileNotFoundError:
        return None


def _told_apart(status: os.stat_result) -> tuple[int, ...]:
    return (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)


def _write(path: Path, content: bytes) -> tuple[int, ...]:
    """Have a new file on the disk, and return its identity."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _FILE_MODE)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
        return _told_apart(os.fstat(file.fileno()))


def _sync(folder: Path) -> None:
    """Have the names in a folder on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
