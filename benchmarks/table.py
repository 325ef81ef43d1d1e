"""The one table: every row with its value, what it must be, and the ratio."""

from collections.abc import Iterable

from rich.table import Table
from rich.text import Text

from benchmarks.measurement import Measurement
from benchmarks.results import Result

TITLES = ("what", "value", "must be", "ratio", "")


def table(results: Iterable[Result]) -> Table:
    """Return the table of all results; what is noted beside the rows is left to the page."""
    made = Table(*TITLES, title="Swarmgate, measured")
    for column in made.columns[1:4]:
        column.justify = "right"
    for result in results:
        made.add_row(Text(f"{result.subject}: {result.title}", "bold"))
        for row in result.measurements:
            made.add_row(f"  {row.name}", value_text(row), limit_text(row), ratio_text(row), _verdict(row))
        made.add_section()
    return made


def value_text(row: Measurement) -> str:
    """Return the value with its unit, or that there is none."""
    return "not measured" if row.value is None else f"{number(row.value)} {row.unit}".strip()


def limit_text(row: Measurement) -> str:
    """Return what the value must be."""
    about = "ratio " if row.limit and row.ratio is not None else ""
    return f"{about}{row.limit}" if row.limit else ""


def ratio_text(row: Measurement) -> str:
    """Return the ratio, and to what."""
    return f"{row.comparison[0]:.2f} of {row.comparison[1]}" if row.comparison else ""


def verdict_word(row: Measurement) -> str:
    """Return in a word whether the value is as it must be."""
    return {None: "", True: "ok", False: "MISSED"}[row.holds]


def _verdict(row: Measurement) -> Text:
    word = verdict_word(row)
    return Text(word, "red bold" if word == "MISSED" else "green")


def number(value: float) -> str:
    """Return a number with as many digits as mean something."""
    few = 100
    if value == int(value) and abs(value) < 1e15:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= few else f"{value:,.3g}"
