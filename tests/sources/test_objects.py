"""Lists of Docker's objects, one after the other: decoded as if from nothing, and hardly anything is parsed again."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sources.objects import Objects

IDS = st.text("ab", min_size=1, max_size=3)
VALUES = st.sampled_from(["", "x", '},{"ID":', [{"a": 1}, {"ID": "b"}], [{"ID": "a"}], {"ID": "c"}])
LISTS = st.dictionaries(IDS, VALUES, max_size=6).flatmap(lambda found: st.permutations([*found.items()]))
FORMS = st.sampled_from([None, None, 1])


def encoded(found: Iterable[tuple[str, Any]], indent: int | None = None) -> bytes:
    """Return a list as an engine writes it, without spaces, or as it might."""
    return json.dumps(
        [{"ID": name, "X": value} for name, value in found], separators=(",", ":"), indent=indent
    ).encode()


def shown(item: Mapping[str, object]) -> str | None:
    """Return an object's value as text; those without one are left out."""
    return json.dumps(item["X"]) if item["X"] else None


@given(lists=st.lists(st.tuples(LISTS, FORMS), max_size=8))
def test_every_list_is_as_if_it_were_the_first(lists: list[tuple[list[tuple[str, Any]], int | None]]) -> None:
    """In any order, with anything in it, whatever came before."""
    objects = Objects(shown)
    for found, form in lists:
        expected = {name: json.dumps(value) for name, value in found if value}
        assert dict(objects.decode(encoded(found, form))) == expected


@given(
    lists=st.lists(st.tuples(LISTS, FORMS, st.one_of(st.none(), st.frozensets(IDS, max_size=4))), max_size=8),
)
def test_some_objects_alone_are_taken_over(
    lists: list[tuple[list[tuple[str, Any]], int | None, frozenset[str] | None]],
) -> None:
    """Between whole lists come such that have only some of the objects: those are as listed, or gone."""
    objects = Objects(shown)
    expected: dict[str, str] = {}
    for found, form, some in lists:
        listed = {name: json.dumps(value) for name, value in found if value}
        if some is None:
            expected = listed
            assert dict(objects.decode(encoded(found, form))) == expected
        else:
            expected = {name: value for name, value in expected.items() if name not in some}
            expected |= {name: value for name, value in listed.items() if name in some}
            body = encoded([(name, value) for name, value in found if name in some], form)
            assert dict(objects.decode_some(some, body)) == expected


@pytest.mark.parametrize("others", [[], ["000", "0505", "0a", "zzz"]], ids=["one", "and some that come"])
def test_only_what_differs_is_parsed(others: list[str]) -> None:
    """Of a thousand objects one changes and one goes, far from each other."""
    parsed: list[object] = []

    def decode(item: Mapping[str, object]) -> object:
        parsed.append(item["ID"])
        return item["X"]

    objects = Objects(decode)
    found = {f"{number:04}": {"n": number} for number in range(1000)}
    before = objects.decode(encoded(sorted(found.items())))
    parsed.clear()
    del found["0002"]
    found |= {"0990": {"n": 1}} | {name: {"n": 2} for name in others}
    after = objects.decode(encoded(sorted(found.items())))
    assert sorted(parsed) == sorted(["0990", *others])
    assert after["0500"] is before["0500"]
    assert objects.decode(encoded(sorted(found.items()))) is after


def test_refused_list_changes_nothing() -> None:
    """The next one is compared with the last good one."""
    objects = Objects(shown)
    good = objects.decode(encoded([("a", "x")]))
    with pytest.raises(ValueError, match="EOF"):
        objects.decode(b'[{"ID":"a","X":"x"},{"ID":"b"')
    assert objects.decode(encoded([("a", "x")])) is good
