r"""The normal form of a path: what rules compare, of labels made here and of requests in `path.cfg.j2`.

A service may take ``/app//admin``, ``/app/%61dmin``, ``/app%2Fadmin``, ``/app;x/admin`` and ``/app\admin`` for
``/app/admin``, so a rule about the one has to be a rule about all of them.
"""

import re
from urllib.parse import unquote

KEPT = "2[05]"
"""What stays encoded: blanks, which no entry of a map can have, and ``%`` itself."""
_PLAIN = re.compile(r"(?:/[\w~-][\w.~-]*)*/?", re.ASCII)
"""What most paths are: in their normal form already."""
_KEPT = re.compile(f"%({KEPT})")
_SET_APART = re.compile(f"#({KEPT})")
_PARAMETERS = re.compile(r";[^/\\]*")
_SLASHES = re.compile(r"[/\\]+")


def normal_path(path: str) -> str:
    """Return a path decoded, without parameters, and with one slash between two segments.

    Raises:
        ValueError: no request can have this path, and no map the normal form.
    """
    if _PLAIN.fullmatch(path):
        return path
    try:
        decoded = unquote(_KEPT.sub(r"#\1", path), errors="strict")
    except UnicodeDecodeError:
        raise ValueError("has encoded characters that are not UTF-8") from None
    normal = _SET_APART.sub(r"%\1", _SLASHES.sub("/", _PARAMETERS.sub("", decoded)))
    if not normal.isprintable():
        raise ValueError("has encoded characters that cannot be printed")
    if re.search(r"/\.\.?(/|$)", normal):
        raise ValueError("has a segment '.' or '..', which no request has")
    return normal
