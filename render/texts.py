"""`Text`: the lines of a table in the order of its keys, of which only what is around a change is put together anew."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable
from typing import Generic, TypeVar

from models.tables import Table, changed_keys

V = TypeVar("V")

_LONGEST = 256
"""How many entries a passage may have."""


class Text(Generic[V]):
    """The text of one table after the other; ``line`` makes the text of an entry, with line ends, of its key and value.

    It is kept in passages: some keys that follow each other, and the text of their entries.
    """

    def __init__(self, line: Callable[[str, V], str]) -> None:
        self._line = line
        self._table: Table[str, V] = Table()
        self._firsts: list[str] = []
        self._passages: list[list[str]] = []
        self._texts: list[str] = []

    def __call__(self, table: Table[str, V]) -> str:
        """Return the text of a whole table."""
        changed = changed_keys(self._table, table)
        is_small = len(changed) <= len(self._passages)
        touched: Iterable[int] = {self._place(key, is_there=key in table) for key in changed} if is_small else ()
        if not is_small or any(len(self._passages[number]) > _LONGEST for number in touched):
            self._divide([*table])
            touched = range(len(self._passages))
        for number in touched:
            self._texts[number] = "".join([self._line(key, table[key]) for key in self._passages[number]])
        self._table = table
        return "".join(self._texts)

    def _divide(self, keys: list[str]) -> None:
        self._passages = [keys[start : start + _LONGEST // 2] for start in range(0, len(keys), _LONGEST // 2)]
        self._firsts = [passage[0] for passage in self._passages]
        self._texts = [""] * len(self._passages)

    def _place(self, key: str, *, is_there: bool) -> int:
        """Put a key into the passage where it belongs, or take it out, and return the number of the passage."""
        number = max(0, bisect_right(self._firsts, key) - 1)
        keys = self._passages[number]
        position = bisect_left(keys, key)
        is_known = keys[position : position + 1] == [key]
        if is_there and not is_known:
            keys.insert(position, key)
        elif is_known and not is_there:
            del keys[position]
        return number
