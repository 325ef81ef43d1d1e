"""What is shown of a row, in the table and on the page."""

import io
from collections.abc import Callable

import pytest
from rich.console import Console

from benchmarks.measurement import Curve, Limit, Measurement
from benchmarks.page import page_text
from benchmarks.results import Result
from benchmarks.table import limit_text, number, ratio_text, table, value_text, verdict_word

MakeResult = Callable[..., Result]

GOOD = Measurement("a start", 2.5, "s", Limit(at_most=5))
SLOW = Measurement("5,000 services", 900, "requests/s", Limit(at_least=0.95), ratio=0.9, ratio_of="10 services")
PLAIN = Measurement("a|b", 12, "ms", note="beside\nit")
MISSING = Measurement("a real Swarm", None, "", note="not measured: no engine")


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (3.0, "3"), (1234567, "1,234,567"), (1234.4, "1,234"), (12.345, "12.3"), (0.012345, "0.0123")],
)
def test_a_number_has_as_many_digits_as_mean_something(value: float, text: str) -> None:
    assert number(value) == text


@pytest.mark.parametrize(
    ("row", "texts"),
    [
        (GOOD, ("2.5 s", "at most 5", "0.50 of the limit", "ok")),
        (SLOW, ("900 requests/s", "ratio at least 0.95", "0.90 of 10 services", "MISSED")),
        (PLAIN, ("12 ms", "", "", "")),
        (MISSING, ("not measured", "", "", "")),
    ],
)
def test_a_row_says_what_must_be_and_whether_it_is(row: Measurement, texts: tuple[str, ...]) -> None:
    assert (value_text(row), limit_text(row), ratio_text(row), verdict_word(row)) == texts


def test_the_table_has_all_rows_of_all_subjects(make_result: MakeResult) -> None:
    console = Console(file=io.StringIO(), width=160)
    console.print(table([make_result(GOOD, SLOW), make_result(MISSING, subject="swarm")]))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]

    assert [line for line in lines if "speed: All about speed" in line]
    assert [line for line in lines if "5,000 services" in line and "MISSED" in line]
    assert [line for line in lines if "a real Swarm" in line and "not measured" in line]


def test_the_page_begins_with_what_must_hold(make_result: MakeResult) -> None:
    """What does not comes first, and what nothing is asked of is not among it."""
    page = page_text([make_result(GOOD, PLAIN, SLOW), make_result(MISSING, subject="swarm")])
    head, _, rest = page.partition("## All about speed")
    promised = [line for line in head.partition("## What must hold")[2].splitlines() if line.startswith("| ")][1:]

    assert promised == [
        "| 5,000 services | 900 requests/s | ratio at least 0.95 | 0.90 of 10 services | MISSED |",
        "| a real Swarm | not measured |  |  |  |",
        "| a start | 2.5 s | at most 5 | 0.50 of the limit | ok |",
    ]
    assert "| a\\|b | 12 ms |  |  |  | beside it |" in rest


def test_the_page_says_where_the_numbers_are_from_and_how_to_repeat_them(make_result: MakeResult) -> None:
    page = page_text([make_result(GOOD), make_result(GOOD, subject="memory")])

    assert page.count("A processor, 2 cores, 8.0 GiB, Linux 6.1; HAProxy 3.4.7, Python 3.11.2, Caddy 2.11") == 1
    assert "    make bench " in page
    assert "2026-01-02 03:04 UTC, in 61 s, with 10, 5000 services." in page
    assert "This took 2 minutes." in page


def test_the_page_shows_each_curve(make_result: MakeResult) -> None:
    assert "![Latency](performance/latency.svg)" in page_text([make_result(Curve("latency", "Latency", "x", "y"))])
