"""Reading the operator's folder of templates: regular text files in it, and nothing that leads out of it.

A file is read again when its size, time or inode have changed, so looking at an unchanged folder costs one look at each
file's entry.
"""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import structlog

from controller.templates import TemplateFile

log = structlog.get_logger()

_LARGEST = 64 * 1024
"""Bytes of a file."""
_MOST_FILES = 2000
_DEEPEST = 4
"""Folders within folders."""

_Signature = tuple[int, ...]


class TemplateFolder:
    """The files below one folder; its method does blocking file I/O."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[str, tuple[_Signature, TemplateFile]] = {}

    def read(self) -> dict[str, TemplateFile]:
        """Return every file there is now, by its path in the folder; what cannot be read says why."""
        found: dict[str, tuple[_Signature, TemplateFile]] = {}
        for path in _files_below(self._folder, _DEEPEST):
            if len(found) == _MOST_FILES:
                log.warning("More files in the folder of templates than are read", folder=str(self._folder))
                break
            name = str(path.relative_to(self._folder))
            found[name] = self._read(name, path)
        self._known = found
        return {name: file for name, (_, file) in found.items()}

    def _read(self, name: str, path: Path) -> tuple[_Signature, TemplateFile]:
        try:
            if not path.resolve(strict=True).is_relative_to(self._folder.resolve()):
                return (), TemplateFile(problem="is a link that leads out of the folder")
            status = path.stat()
            signature = (status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns)
            known = self._known.get(name)
            return known if known and known[0] == signature else (signature, TemplateFile(_text(path)))
        except (OSError, RuntimeError) as error:  # a loop of links is a RuntimeError
            return (), TemplateFile(problem=f"cannot be read: {getattr(error, 'strerror', None) or 'it is a loop'}")
        except ValueError as error:
            return (), TemplateFile(problem=str(error))


def _files_below(folder: Path, depth: int) -> Iterator[Path]:
    """Return everything in a folder that is no folder; links to folders are not followed."""
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            yield Path(entry.path)
        elif depth:
            yield from _files_below(Path(entry.path), depth - 1)


def _text(path: Path) -> str:
    """Return the text of a regular file.

    Raises:
        OSError: it cannot be read.
        ValueError: it is not a regular file, too large, or no text; the message begins with a verb.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise ValueError("is not a regular file")
        content = file.read(_LARGEST + 1)
    if len(content) > _LARGEST:
        raise ValueError(f"is larger than {_LARGEST // 1024} kB")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise ValueError("is not text in UTF-8") from None
    if "\0" in text:
        raise ValueError("is not text")
    return text
