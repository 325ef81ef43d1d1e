"""How services may read a path that they get: what each of these makes of it, no rule may have missed.

All of them are in use: nothing decoded; segments decoded after they were divided; decoded first; slashes merged or not;
parameters cut off; backslashes taken for slashes; dots resolved last.
"""

import re
from collections.abc import Iterator
from itertools import product
from urllib.parse import unquote_to_bytes


def readings(path: str) -> Iterator[str]:
    """Return every path that some service could take ``path`` for."""
    for decodes, cuts, turns, merges, resolves in product((False, True), repeat=5):
        read = path.partition("?")[0]
        read = _without_parameters(read) if cuts else read
        read = unquote_to_bytes(read).decode("latin-1") if decodes else read
        read = _without_parameters(read) if cuts else read
        read = read.replace("\\", "/") if turns else read
        read = re.sub("/+", "/", read) if merges else read
        yield _resolved(read) if resolves else read


def _without_parameters(path: str) -> str:
    return re.sub(r";[^/]*", "", path)


def _resolved(path: str) -> str:
    """Return a path without dots between slashes, as RFC 3986, 5.2.4, has it."""
    segments: list[str] = []
    for segment in path.split("/")[1:]:
        if segment == "..":
            segments = segments[:-1]
        elif segment != ".":
            segments.append(segment)
    return f"/{'/'.join(segments)}"
