"""Tables that are made from tables: what is worked out again after a change, and what is not."""

from collections.abc import Mapping

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.tables import Derived, Gathered, Latest, Table, changed_keys

ENTRIES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 3))


def revised(before: Table[str, int], after: Mapping[str, int]) -> Table[str, int]:
    """Return the table with other entries, made from the one before."""
    return before.revised({key: after.get(key) for key in {*before, *after}})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds=st.lists(ENTRIES, min_size=1, max_size=8))
def test_table_is_a_mapping_in_order(worlds: list[dict[str, int]]) -> None:
    """However it came to be."""
    table: Table[str, int] = Table()
    for world in worlds:
        table = revised(table, world)
        assert [*table] == sorted(world)
        assert [*table.items()] == sorted(world.items())
        assert [*table.values()] == [world[key] for key in sorted(world)]
        assert (table, len(table)) == (world, len(world))
        assert table == Table(world)


@pytest.fixture(params=[1, 2, 64], autouse=True)
def changes_per_line(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have few or many tables share their entries."""
    monkeypatch.setattr("models.tables._MOST_CHANGES", request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds=st.lists(ENTRIES, min_size=2, max_size=6))
def test_differences_are_the_same_however_they_are_known(worlds: list[dict[str, int]]) -> None:
    """Handed on with a table, or found by comparing; also with one that came long before or after."""
    tables = [Table[str, int]()]
    for world in worlds:
        tables.append(revised(tables[-1], world))
    for one, world in zip(tables, [{}, *worlds], strict=True):
        assert ([*one.items()], len(one)) == (sorted(world.items()), len(world))
        assert revised(one, {"a": 9}) == {"a": 9}
        for other in tables:
            expected = {key for key in {*one, *other} if one.get(key) != other.get(key)}
            assert changed_keys(one, other) == expected
            assert (one == other) == (not expected)
            assert changed_keys(dict(one), dict(other)) == expected


def test_equal_entries_are_no_change() -> None:
    """The table stays the same object, and so what is derived from it is not even looked at."""
    table = Table({"a": [1]})
    assert table.revised({"a": [1], "b": None}) is table
    assert table.revised({"a": [2]}) is not table


def test_derived_entries_are_worked_out_once() -> None:
    """And again if an entry of any source is another one, or if that is asked for."""
    asked: list[tuple[int | None, int | None]] = []

    def total(left: int | None, right: int | None) -> int | None:
        asked.append((left, right))
        return (left or 0) + (right or 0) or None

    derived: Derived[str, int] = Derived(total)
    assert derived({"a": 1, "b": 0}, {"b": 2}) == {"a": 1, "b": 2}
    assert derived({"a": 1, "b": 0}, {"b": 2}) == {"a": 1, "b": 2}
    assert len(asked) == 2
    assert derived({"a": 1, "b": 0}, {}) == {"a": 1}
    assert asked[2:] == [(0, None)]
    assert derived({"a": 1, "b": 0}, {}, again=["a"]) == {"a": 1}
    assert asked[3:] == [(1, None)]
    assert derived({}, {}) == {}
    assert len(asked) == 4


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(worlds=st.lists(st.dictionaries(st.sampled_from("abc"), st.frozensets(st.sampled_from("xyz"))), max_size=8))
def test_gathered_is_as_if_from_nothing(worlds: list[dict[str, frozenset[str]]]) -> None:
    """The contributors to every key, whoever came and went before."""
    gathered: Gathered[str, str, str, str] = Gathered(
        lambda words: dict.fromkeys(words, "given"), lambda by: "".join(sorted(by))
    )
    for world in worlds:
        expected = {word: "".join(sorted(each for each in world if word in world[each])) for word in "xyz"}
        assert gathered(world) == {word: names for word, names in expected.items() if names}


def test_failure_forgets_nothing() -> None:
    """What could not be settled is settled at the next attempt."""
    fails = [False]

    def settle(given: Mapping[str, int]) -> int:
        if fails[0]:
            raise ValueError("not now")
        return sum(given.values())

    gathered = Gathered(lambda number: {"sum": number}, settle)
    assert gathered({"a": 1}) == {"sum": 1}
    fails[0] = True
    with pytest.raises(ValueError, match="not now"):
        gathered({"a": 1, "b": 2})
    fails[0] = False
    assert gathered({"b": 2}) == {"sum": 2}


def test_what_is_to_be_worked_out_again_is_so_after_a_failure() -> None:
    """Though it is asked for only once."""
    factor: list[float] = [1]
    derived: Derived[str, float] = Derived(lambda number: number / factor[0])
    assert derived({"a": 6}) == {"a": 6}
    factor[0] = 0
    with pytest.raises(ZeroDivisionError):
        derived({"a": 6}, again=["a"])
    factor[0] = 2
    assert derived({"a": 6}) == {"a": 3}


def test_latest_result_stays_while_the_arguments_do() -> None:
    """One call, and another one for other arguments."""
    calls: list[int] = []
    latest = Latest(lambda number: calls.append(number) or [number])
    assert latest(1) is latest(1)
    assert latest(2) == [2]
    assert calls == [1, 2]
