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
from collections.abc import Callable, Iterable, Iterator, Mapping
from collections.abc import Set as AbstractSet
from types import MappingProxyType
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")
G = TypeVar("G")
T = TypeVar("T")

_NOTHING: Mapping[Any, Any] = MappingProxyType({})


class Table(Mapping[K, V]):
    """An immutable mapping in the order of its keys; no value is None.

    ``revision`` tells it apart from all other tables, also from those that are gone; ``plain`` are its entries in no
    order, not to be changed.
    """

    __slots__ = ("_before", "_changed", "_order", "plain", "revision")

    def __init__(self, entries: Mapping[K, V] = _NOTHING) -> None:
        self.plain: dict[K, V] = dict(entries)
        self.revision = object()
        self._order: list[Any] | None = None  # whoever asks for an order has keys that have one
        self._before: object = None
        self._changed: AbstractSet[K] = frozenset()

    def revised(self, news: Mapping[K, V | None]) -> "Table[K, V]":
        """Return the table with other entries for some keys (None: without one); itself if nothing is different."""
        changed = {key: value for key, value in news.items() if _differ(self.plain.get(key), value)}
        if not changed:
            return self
        entries = self.plain.copy()
        for key, value in changed.items():
            if value is None:
                del entries[key]
            else:
                entries[key] = value
        return Table._after(self.revision, entries, self._order_after(changed), changed.keys())

    @classmethod
    def _after(
        cls, before: object, entries: dict[K, V], order: list[Any] | None, changed: AbstractSet[K]
    ) -> "Table[K, V]":
        table = cls()
        table.plain, table._order, table._before, table._changed = entries, order, before, changed
        return table

    def changed_since(self, before: Mapping[K, V]) -> AbstractSet[K] | None:
        """Return the keys in which it differs from the table that it was made from; None if that is another one."""
        return self._changed if isinstance(before, Table) and before.revision is self._before else None

    def _order_after(self, changed: Mapping[K, V | None]) -> list[Any] | None:
        """Return the order of the keys after a change, unless sorting them when asked for is as good."""
        if self._order is None or len(changed) > len(self._order) // 8:
            return None
        order = self._order.copy()
        for key, value in changed.items():
            if value is None:
                del order[bisect_left(order, key)]
            elif key not in self.plain:
                insort(order, key)
        return order

    @property
    def _keys(self) -> list[Any]:
        if self._order is None:
            unsorted: list[Any] = [*self.plain]
            self._order = sorted(unsorted)
        return self._order

    def __getitem__(self, key: K) -> V:
        return self.plain[key]

    def __contains__(self, key: object) -> bool:
        return key in self.plain

    def __len__(self) -> int:
        return len(self.plain)

    def __iter__(self) -> Iterator[K]:
        return iter(self._keys)

    def values(self) -> Any:  # noqa: ANN401 - any iterable view; the one of `Mapping` is slow
        """Return the values in the order of their keys."""
        return list(map(self.plain.__getitem__, self._keys))

    def items(self) -> Any:  # noqa: ANN401
        """Return keys and values in the order of the keys."""
        return list(zip(self._keys, self.values(), strict=True))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        return self.plain == _plain(other) if isinstance(other, Mapping) else NotImplemented

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"Table({dict(self.items())!r})"


def changed_keys(before: Mapping[K, V], after: Mapping[K, V]) -> AbstractSet[K]:
    """Return the keys whose entries differ, or that are in only one of two mappings without None."""
    if before is after:
        return frozenset()
    known = after.changed_since(before) if isinstance(after, Table) else None
    if known is not None:
        return known
    plain_before, plain_after = _plain(before), _plain(after)
    if plain_before == plain_after:
        return frozenset()
    gone = plain_before.keys() - plain_after.keys()
    return gone | {key for key, value in plain_after.items() if _differ(plain_before.get(key), value)}


def _differ(one: object, other: object) -> bool:
    return one is not other and one != other


def _plain(mapping: Mapping[K, V]) -> Mapping[K, V]:
    return mapping.plain if isinstance(mapping, Table) else mapping


class Derived(Generic[K, V]):
    """A table that has for each key what ``function`` makes of the entries of one table or several, if not None.

    Where one of several tables has no entry, the function gets None.
    """

    def __init__(self, function: Callable[..., V | None]) -> None:
        self._function = function
        self._sources: tuple[Mapping[K, Any], ...] = ()
        self._table: Table[K, V] = Table()

    def __call__(self, *sources: Mapping[K, Any], again: Iterable[K] = ()) -> Table[K, V]:
        """Return the table; ``again`` are keys to be worked out even if their entries are what they were."""
        before = self._sources or (_NOTHING,) * len(sources)
        changed = set(again).union(*map(changed_keys, before, sources))
        self._table = self._table.revised({key: self._made_of([each.get(key) for each in sources]) for key in changed})
        self._sources = sources
        return self._table

    def _made_of(self, entries: list[Any]) -> V | None:
        return None if all(entry is None for entry in entries) else self._function(*entries)


def any_of(contributions: Mapping[Any, V]) -> V:
    """Return one of several contributions, which are all the same."""
    return next(iter(contributions.values()))


class Gathered(Generic[K, V, G, T]):
    """A table of what the entries of another one contribute, each to keys of its own choice.

    ``contributions`` tells what an entry contributes; ``settle`` makes the new table's entry (None: there is none) of
    what was contributed to one key, by the keys of the contributors, in no order.
    """

    def __init__(
        self,
        contributions: Callable[[Any], Mapping[G, T]],
        settle: Callable[[Mapping[K, T]], V | None] = any_of,  # type: ignore[assignment]
    ) -> None:
        self._contributions = contributions
        self._settle = settle
        self._source: Mapping[K, Any] = _NOTHING
        self._given: dict[K, Mapping[G, T]] = {}
        self._gathered: dict[G, dict[K, T]] = {}
        self._unsettled: set[G] = set()
        self._table: Table[G, V] = Table()

    def __call__(self, source: Mapping[K, Any], again: Iterable[K] = ()) -> Table[G, V]:
        """Return the table; ``again`` are entries whose contributions may be others though they are what they were."""
        for key in {*again, *changed_keys(self._source, source)}:
            entry = source.get(key)
            self._unsettled |= self._give(key, _NOTHING if entry is None else self._contributions(entry))
        self._table = self._table.revised({key: self._settled(key) for key in self._unsettled})
        self._source, self._unsettled = source, set()
        return self._table

    def _give(self, contributor: K, given: Mapping[G, T]) -> AbstractSet[G]:
        """Take over what an entry contributes now, and return the keys for which that is something else."""
        before = self._given.pop(contributor, _NOTHING)
        changed = changed_keys(before, given)
        for key in changed:
            if key in given:
                self._gathered.setdefault(key, {})[contributor] = given[key]
            else:
                del self._gathered[key][contributor]
        if given:
            self._given[contributor] = given
        return changed

    def _settled(self, key: G) -> V | None:
        gathered = self._gathered.get(key)
        if gathered:
            return self._settle(gathered)
        self._gathered.pop(key, None)
        return None


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
