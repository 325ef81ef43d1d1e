"""`Table`: a mapping that knows in which keys it differs from the one it was made from, and what is derived from it.

A world has thousands of services, and a change touches one of them. So each step from the world to HAProxy's files is
a table that is derived from other tables: `Derived` entry by entry, `Gathered` by what entries have in common. A step
asks how its source differs from the one that it saw last, works out what follows from these keys alone, and revises its
own table with it; a result that is equal to the former one is no change, and goes no further.

Which keys differ is handed on with a table, for whoever saw the one before. Everybody else compares entry by entry:
that differences are handed on saves time and decides nothing. A step that has seen nothing yet has everything to do,
so a new step given the whole world is the plain way to the same result.
"""

from bisect import bisect_left, insort
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from itertools import chain
from operator import is_not
from types import MappingProxyType
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
G = TypeVar("G")
T = TypeVar("T")

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Table(Mapping[K, V]):
    """An immutable mapping in the order of its keys; no value is None.

    Of tables that were made one from the other the newest has the entries, and each of the others what is different in
    it: so making one costs as much as the change. Reading an old one as a whole, which is seldom done, costs more.

    ``revision`` tells a table apart from all others, also from those that are gone; ``made_from`` is that of the table
    it was made from, and ``changed`` are the keys in which it differs from this one.
    """

    __slots__ = ("_entries", "_former", "_newer", "_size", "changed", "made_from", "revision")

    def __init__(self, entries: "Mapping[K, V] | _Entries[K, V]" = _NOTHING) -> None:
        self._entries = entries if isinstance(entries, _Entries) else _Entries(entries)
        self._size = len(self._entries.by_key)
        self._newer: Table[K, V] | None = None
        self._former: Mapping[K, V | None] = _NOTHING
        self.revision = object()
        self.made_from: object = None
        self.changed: AbstractSet[K] = frozenset()

    def revised(self, news: Mapping[K, V | None]) -> "Table[K, V]":
        """Return the table with other entries for some keys (None: without one); itself if nothing is different."""
        if not self._size:
            first = {key: value for key, value in news.items() if value is not None}
            return self._with(first, _Entries(first)) if first else self
        look_up = self.look_up
        former = {key: look_up(key) for key in news}
        changed = {key: value for key, value in news.items() if _differ(former[key], value)}
        if not changed:
            return self
        is_newest = self._newer is None and self._entries.changes < _MOST_CHANGES
        entries = self._entries if is_newest else _Entries(self.plain)
        entries.change(changed)
        after = self._with(changed, entries)
        if is_newest:
            self._newer, self._former = after, {key: former[key] for key in changed}
        return after

    def _with(self, changed: Mapping[K, V | None], entries: "_Entries[K, V]") -> "Table[K, V]":
        """Return the table that has these entries, which differ from its own for some keys."""
        after = Table[K, V](entries)
        after.made_from, after.changed = self.revision, changed.keys()
        return after

    def get(self, key: K, default: Any = None) -> Any:  # noqa: ANN401 - as a mapping has it
        """Return the value of a key."""
        if self._newer is None:
            return self._entries.by_key.get(key, default)
        if key not in self._former:
            return self._newer.get(key, default)
        value = self._former[key]
        return default if value is None else value

    @property
    def look_up(self) -> Callable[[K], V | None]:
        """What `get` returns, the fastest way there is, to be used before the next revision."""
        return self._entries.by_key.get if self._newer is None else self.get

    @property
    def plain(self) -> dict[K, V]:
        """The entries in no order, not to be changed, and of no use after the next revision."""
        if self._newer is None:
            return self._entries.by_key
        return _changed(self._newer.plain.copy(), self._former)

    @property
    def _keys(self) -> list[Any]:
        if self._newer is None:
            return self._entries.keys
        older: list[Any] = [*self.plain]
        return sorted(older)

    def __getitem__(self, key: K) -> V:
        value: V | None = self.get(key)
        if value is None:
            raise KeyError(key)
        return value

    def __contains__(self, key: object) -> bool:
        return self.get(key) is not None  # type: ignore[arg-type]  # as in any mapping, it may be no key at all

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[K]:
        return iter([*self._keys])

    def values(self) -> Any:  # noqa: ANN401 - any iterable view; the one of `Mapping` is slow
        """Return the values in the order of their keys."""
        entries = self.plain
        return [entries[key] for key in self._keys]

    def items(self) -> Any:  # noqa: ANN401
        """Return keys and values in the order of the keys, which are a set as those of a dictionary are."""
        entries = self.plain
        return {key: entries[key] for key in self._keys}.items()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        if self is other:
            return True
        if len(self) != len(other) or _handed_on(self, other) or _handed_on(other, self):
            return False
        return self.plain == _plain(other)

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Table({dict(self.items())!r})"


_MOST_CHANGES = 64
"""How many tables share their entries: as many sets of differences may be kept alive by whoever has the oldest."""


class _Entries(Generic[K, V]):
    """The entries of the newest of several tables, and the order of their keys once that has been asked for.

    Whoever asks for an order has keys that have one.
    """

    def __init__(self, entries: Mapping[K, V]) -> None:
        self.by_key: dict[K, V] = dict(entries)
        self.changes = 0
        self._in_order: list[Any] | None = None

    @property
    def keys(self) -> list[Any]:
        """The keys in order."""
        if self._in_order is None:
            unsorted: list[Any] = [*self.by_key]
            self._in_order = sorted(unsorted)
        return self._in_order

    def change(self, changed: Mapping[K, V | None]) -> None:
        """Make them those of the next table."""
        self.changes += 1
        if self._in_order is not None and len(changed) > len(self._in_order) // 8:
            self._in_order = None  # sorting them when asked for is as good
        if self._in_order is not None:
            _reorder(self._in_order, self.by_key, changed)
        _changed(self.by_key, changed)


def _changed(entries: dict[K, V], changed: Mapping[K, V | None]) -> dict[K, V]:
    for key, value in changed.items():
        if value is None:
            del entries[key]
        else:
            entries[key] = value
    return entries


def _reorder(order: list[Any], entries: Mapping[K, V], changed: Mapping[K, V | None]) -> None:
    for key, value in changed.items():
        if value is None:
            del order[bisect_left(order, key)]
        elif key not in entries:
            insort(order, key)


def changed_keys(before: Mapping[K, V], after: Mapping[K, V]) -> AbstractSet[K]:
    """Return the keys whose entries differ, or that are in only one of two mappings without None."""
    if before is after:
        return frozenset()
    if not before or not after:
        return (before or after).keys()
    known = _handed_on(before, after)
    if known is not None:
        return known
    plain_before, plain_after = _plain(before), _plain(after)
    if plain_before == plain_after:
        return frozenset()
    gone = plain_before.keys() - plain_after.keys()
    return gone | {key for key, value in plain_after.items() if _differ(plain_before.get(key), value)}


def _handed_on(before: Mapping[K, V], after: Mapping[K, V]) -> AbstractSet[K] | None:
    """Return the keys in which a table differs from the one that it was made from; None of any other two mappings."""
    if type(before) is Table and type(after) is Table and after.made_from is before.revision:
        return after.changed
    return None


_is_there = partial(is_not, None)


def _differ(one: object, other: object) -> bool:
    return one is not other and one != other


def _look_up(mapping: Mapping[K, V]) -> Callable[[K], V | None]:
    return mapping.look_up if type(mapping) is Table else mapping.get


def _plain(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return mapping.plain if type(mapping) is Table else mapping


class Derived(Generic[K, V]):
    """A table that has for each key what ``function`` makes of the entries of one table or several, if not None.

    Where one of several tables has no entry, the function gets None.
    """

    def __init__(self, function: Callable[..., V | None]) -> None:
        self._function = function
        self._sources: tuple[Mapping[K, Any], ...] = ()
        self._again: dict[K, None] = {}
        self._table: Table[K, V] = Table()

    def __call__(self, *sources: Mapping[K, Any], again: Iterable[K] = ()) -> Table[K, V]:
        """Return the table; ``again`` are keys to be worked out even if their entries are what they were."""
        before = self._sources or (_NOTHING,) * len(sources)
        self._again.update(dict.fromkeys(again))
        # In the order of the tables and not of a set: the other one jumps through memory, and is to be sorted again.
        changed = dict.fromkeys(chain(self._again, *map(changed_keys, before, sources)))
        self._table = self._table.revised(self._made_of(changed, sources))
        self._sources, self._again = sources, {}
        return self._table

    def _made_of(self, keys: Collection[K], sources: Sequence[Mapping[K, Any]]) -> dict[K, V | None]:
        function = self._function
        first, *others = (map(_look_up(each), keys) for each in sources)
        if not others:  # as it mostly is, and there are thousands of keys
            entries = zip(keys, first, strict=True)
            return {key: None if entry is None else function(entry) for key, entry in entries}
        rows = zip(keys, zip(first, *others, strict=True), strict=True)
        return {key: function(*row) if any(map(_is_there, row)) else None for key, row in rows}


def any_of(contributions: Mapping[Any, V]) -> V:
    """Return one of several contributions, which are all the same."""
    return next(iter(contributions.values()))


class Gathered(Generic[K, V, G, T]):
    """A table of what the entries of another one contribute, each to keys of its own choice.

    ``contributions`` tells what an entry contributes, which follows from the entry alone. ``settle`` makes the new
    table's entry (None: there is none) of what was contributed to one key, by the keys of the contributors in no order.
    """

    def __init__(
        self,
        contributions: Callable[[Any], Mapping[G, T]],
        settle: Callable[[Mapping[K, T]], V | None] = any_of,  # type: ignore[assignment]
    ) -> None:
        self._contributions = contributions
        self._settle = settle
        self._is_any = settle is any_of
        self._source: Mapping[K, Any] = _NOTHING
        self._gathered: dict[G, tuple[K, T] | dict[K, T]] = {}
        self._unsettled: dict[G, None] = {}
        self._table: Table[G, V] = Table()

    def __call__(self, source: Mapping[K, Any]) -> Table[G, V]:
        """Return the table."""
        changed = changed_keys(self._source, source)
        former, given = self._given_by(self._source, changed), self._given_by(source, changed)
        for contributor, before, after in zip(changed, former, given, strict=True):
            if before or after:  # most have nothing to contribute to many a table
                self._take_over(contributor, before, after)
        self._source = source
        self._table = self._table.revised({key: self._settled(key) for key in self._unsettled})
        self._unsettled = {}
        return self._table

    def _given_by(self, source: Mapping[K, Any], contributors: Iterable[K]) -> list[Mapping[G, T]]:
        """Return what each of some entries contributes."""
        contributions, entries = self._contributions, map(_look_up(source), contributors)
        return [_NOTHING if entry is None else contributions(entry) for entry in entries]

    def _take_over(self, contributor: K, before: Mapping[G, T], after: Mapping[G, T]) -> None:
        """Take over what an entry contributes now, and note the keys for which that is something else."""
        unsettled, all_gathered = self._unsettled, self._gathered
        for key in changed_keys(before, after) if before else after:
            unsettled[key] = None
            gathered = all_gathered.get(key)
            if gathered is None:
                all_gathered[key] = (contributor, after[key])
                continue
            if isinstance(gathered, tuple):  # most have one contributor, for whom a mapping would be a waste
                gathered = dict((gathered,))
            if key in after:
                gathered[contributor] = after[key]
            else:
                del gathered[contributor]
            self._keep(key, gathered)

    def _keep(self, key: G, gathered: dict[K, T]) -> None:
        if len(gathered) > 1:
            self._gathered[key] = gathered
        elif gathered:
            (self._gathered[key],) = gathered.items()
        else:
            del self._gathered[key]

    def _settled(self, key: G) -> V | None:
        gathered = self._gathered.get(key)
        if gathered is None:
            return None
        if isinstance(gathered, tuple):
            return gathered[1] if self._is_any else self._settle(dict((gathered,)))  # type: ignore[return-value]
        return self._settle(gathered)


class Latest(Generic[V]):
    """The last result of a function, for as long as its arguments are the same."""

    def __init__(self, function: Callable[..., V]) -> None:
        self._function = function
        self._last: tuple[tuple[object, ...], V] | None = None

    def __call__(self, *arguments: Any) -> V:  # noqa: ANN401 - whatever the function takes
        """Return what the function makes of the arguments."""
        if self._last is None or self._last[0] != arguments:
            self._last = (arguments, self._function(*arguments))
        return self._last[1]
