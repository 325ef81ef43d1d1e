"""`Objects`: the objects of Docker's lists, of which only those that differ from the last list are parsed.

Docker writes a list of thousands of objects in one order and without spaces, so two lists that follow each other are
nearly the same bytes. Comparing bytes costs next to nothing, so the objects that differ are found before anything is
parsed. Pure.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from typing import Generic, TypeVar

from pydantic_core import from_json

from models.tables import Table

T = TypeVar("T")

_BETWEEN = b'},{"ID":'
_BEGIN = re.compile(rb'\{"ID":"([^"\\]*)"')
_STRIDE = 1 << 16


class Objects(Generic[T]):
    """Decodes one JSON array after the other into a table by the objects' ``ID``; ``decode`` may leave objects out."""

    def __init__(self, decode: Callable[[Mapping[str, object]], T | None]) -> None:
        self._decode = decode
        self._body: bytes | None = b"[]"
        self._patched: set[str] = set()
        self.table: Table[str, T] = Table()

    @property
    def body(self) -> bytes:
        """The last array; empty if the next one is of no use with it."""
        return self._body or b""

    def decode(self, body: bytes) -> Table[str, T]:
        """Return what the objects were decoded to; what is equal to before is the very same.

        Raises:
            ValueError: it is not a JSON array of objects, or an object is refused.
        """
        body = body.strip()
        if body == self._body and not self._patched:
            return self.table
        news = self._news(body)
        if news is None:  # another order of keys, spaces, or no JSON at all
            self.table = self.table.revised(dict.fromkeys(self.table) | self._decoded(objects_of(from_json(body))))
            self._body = None
        else:
            self.table = self.table.revised(news)
            self._body = body
        self._patched = set()
        return self.table

    def decode_some(self, ids: Iterable[str], body: bytes) -> Table[str, T]:
        """Take over an array that has of all objects only these, as far as they are there; the others stay as they are.

        Raises:
            ValueError: it is not a JSON array of objects, or an object is refused.
        """
        news = dict.fromkeys(ids) | self._decoded(objects_of(from_json(body)))
        self.table = self.table.revised(news)
        self._patched |= news.keys()
        return self.table

    def _news(self, body: bytes) -> dict[str, T | None] | None:
        """Return what is different from the last list, by ID; None if that cannot be told without parsing it all."""
        if not (body == b"[]" or (body.startswith(b'[{"ID":') and body.endswith(b"}]"))):
            return None
        differing = list(_differing(self._body or b"[]", body))
        gone = [item for piece, is_new in differing if not is_new and (item := _parsed(piece))]
        named = [_parsed(piece) for piece in _named(self._patched, body)]
        new = [*named, *(_parsed(piece) for piece, is_new in differing if is_new)]
        found = [item for item in new if item is not None]
        if len(found) < len(new):
            return None
        kept = dict.fromkeys(self.table if self._body is None else self._patched)
        return kept | {str(item["ID"]): None for item in gone} | self._decoded(found)

    def _decoded(self, items: list[Mapping[str, object]]) -> dict[str, T | None]:
        return {str(item.get("ID")): self._decode(item) for item in items}


def objects_of(answer: object) -> list[Mapping[str, object]]:
    """Return the objects of a parsed answer.

    Raises:
        ValueError: it is not a list of objects.
    """
    if not isinstance(answer, list) or not all(isinstance(item, dict) for item in answer):
        raise ValueError("not a list of objects")
    return answer


def _named(ids: AbstractSet[str], body: bytes) -> Iterator[bytes]:
    """Give the pieces that begin as the objects with these IDs do."""
    if ids:
        yield from (_piece(body, found.start()) for found in _BEGIN.finditer(body) if found[1].decode() in ids)


def _differing(before: bytes, after: bytes) -> Iterator[tuple[bytes, bool]]:
    """Give the pieces that only one of two arrays has, each with whether it is the one after.

    A cut may be inside of an object, where a piece looks like another one; then some new piece is no JSON. If all are,
    each is an object of the array: what stands before and behind them is known from the array before.
    """
    old = new = 1
    while True:
        old, new = _skip_same(before, old, after, new)
        old_piece, new_piece = _piece(before, old), _piece(after, new)
        if not old_piece and not new_piece:
            return
        is_gone = bool(old_piece) and (not new_piece or _head(old_piece) <= _head(new_piece))
        is_new = bool(new_piece) and (not old_piece or _head(new_piece) <= _head(old_piece))
        if old_piece != new_piece:  # as those are that only the end of an array follows
            yield from ((old_piece, False),) if is_gone else ()
            yield from ((new_piece, True),) if is_new else ()
        old += len(old_piece) + 1 if is_gone else 0
        new += len(new_piece) + 1 if is_new else 0


def _skip_same(before: bytes, old: int, after: bytes, new: int) -> tuple[int, int]:
    """Return where the first pieces begin that are not the same in both from here on."""
    same, stride = 0, 64
    longest = min(len(before) - old, len(after) - new)
    while stride:
        while same + stride <= longest and before.startswith(after[new + same : new + same + stride], old + same):
            same += stride
            stride = min(2 * stride, _STRIDE)
        stride //= 2
    if old + same == len(before) and new + same == len(after):
        return len(before), len(after)
    last = before.rfind(_BETWEEN, max(0, old - 2), old + same)
    begun = max(0, last + 2 - old) if last >= 0 else 0
    return old + begun, new + begun


def _piece(body: bytes, start: int) -> bytes:
    """Return what should be one object: all up to the next one, or to the end of the array."""
    end = body.find(_BETWEEN, start)
    return body[start : len(body) - 1 if end < 0 else end + 1]


def _head(piece: bytes) -> bytes:
    """Return what orders pieces: Docker sorts by ID, and if it does not, more is parsed than need be."""
    return piece[: piece.find(b'"', len(_BETWEEN))]


def _parsed(piece: bytes) -> Mapping[str, object] | None:
    try:
        item = from_json(piece)
    except ValueError:
        return None
    return item if isinstance(item, dict) else None
