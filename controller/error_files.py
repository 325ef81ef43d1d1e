"""Finding the operator's own error pages: ``<status>.http`` files that HAProxy sends as they are.

Source: Configuration manual 4.2, ``errorfile``; DFP's folder ``/errorfiles``.
"""

from pathlib import Path

import structlog

from models.machine import ErrorFile

log = structlog.get_logger()

_STATUSES = (200, 400, 401, 403, 404, 405, 407, 408, 410, 413, 425, 429, 500, 501, 502, 503, 504)
_LARGEST = 15 * 1024
"""Bytes; HAProxy refuses what is larger than its buffers (``tune.bufsize``)."""


def find_error_files(folder: Path) -> tuple[ErrorFile, ...]:
    """Return the usable error pages in a folder; those that HAProxy would refuse are left out, and logged."""
    found = []
    for status in _STATUSES:
        path = folder / f"{status}.http"
        if not path.is_file():
            continue
        if problem := _problem(path):
            log.warning("Error page left out", file=str(path), problem=problem)
        else:
            found.append(ErrorFile(status, str(path)))
    return tuple(found)


def _problem(path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"
    if not content.startswith(b"HTTP/1."):
        return "it does not begin with a status line, such as 'HTTP/1.0 503 Service Unavailable'"
    if not any(mark in content for mark in (b"\r\n\r\n", b"\n\n")):
        return "it has no empty line between its headers and its body"
    return "it is larger than 15 kB" if len(content) > _LARGEST else None
