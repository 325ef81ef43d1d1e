"""Texts of tables: put together from passages, they are as if put together from nothing."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.tables import Table
from render.texts import Text

KEYS = st.text("abc", min_size=1, max_size=3)


@pytest.fixture(params=[2, 4, 256], autouse=True)
def longest(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have passages be short or long."""
    monkeypatch.setattr("render.texts._LONGEST", request.param)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=300)
@given(changes=st.lists(st.dictionaries(KEYS, st.one_of(st.none(), st.integers(0, 3)), max_size=4), max_size=12))
def test_text_is_that_of_the_whole_table(changes: list[dict[str, int | None]]) -> None:
    """Whatever came and went before."""
    table: Table[str, int] = Table()
    text = Text[int](lambda key, value: f"{key}={value} ")
    for news in changes:
        table = table.revised(news)
        assert text(table) == "".join(f"{key}={value} " for key, value in sorted(table.items()))


def test_only_lines_near_a_change_are_made() -> None:
    """Of a thousand lines, those of one passage."""
    made: list[str] = []
    text = Text[int](lambda key, value: made.append(key) or f"{key}={value} ")
    table = Table({f"{number:04}": number for number in range(1000)})
    text(table)
    made.clear()
    assert "0500=1 " in text(table.revised({"0500": 1}))
    assert 1 <= len(made) <= 256
