"""The style, script and picture of the pages: served by us, so that a browser asks nobody else for anything."""

import hashlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "static"
_TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file as it is sent; ``version`` is a digest of it."""

    content: bytes
    media_type: str
    version: str


@cache
def files() -> dict[str, StaticFile]:
    """Return all files by name."""
    return {path.name: _read(path) for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


def address(name: str) -> str:
    """Return where a file is; a changed one is somewhere else, so browsers may keep what they have for ever."""
    return f"/ui/static/{name}?v={files()[name].version}"


def _read(path: Path) -> StaticFile:
    content = path.read_bytes()
    return StaticFile(content, _TYPES[path.suffix], hashlib.sha256(content).hexdigest()[:12])
