"""``docs/performance.md`` as text: what must hold, the table and the charts of each subject, and how to repeat it."""

from collections.abc import Sequence

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks import ROOT
from benchmarks.measurement import Measurement
from benchmarks.results import Result
from benchmarks.table import limit_text, ratio_text, value_text, verdict_word

CHARTS = "performance"
"""The folder of the charts, beside the page."""


def machine_text(result: Result) -> str:
    """Return in one line where a result is from."""
    facts = result.machine
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux {facts['kernel']}; "
        f"HAProxy {facts['haproxy']}, Python {facts['python']}, Caddy {facts['caddy']}, "
        f"EasyHAProxy {facts['easyhaproxy']}, wrk {facts['wrk']}, h2load {facts['h2load']}."
    )


def page_text(results: Sequence[Result]) -> str:
    """Return the page about the last results of all subjects."""
    environment = Environment(
        loader=FileSystemLoader(ROOT / "docs" / "templates"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,  # noqa: S701 - Markdown, from our own texts
    )
    environment.globals |= {
        "machine": machine_text,
        "value": value_text,
        "limit": limit_text,
        "ratio": ratio_text,
        "verdict": verdict_word,
    }
    environment.filters["cell"] = lambda text: str(text).replace("|", "\\|").replace("\n", " ")
    return environment.get_template("performance.md.j2").render(
        results=results,
        promised=promised(results),
        machines=list(dict.fromkeys(map(machine_text, results))),
        minutes=sum(result.seconds for result in results) / 60,
        charts=CHARTS,
    )


def promised(results: Sequence[Result]) -> list[Measurement]:
    """Return the rows of which something is asked, those first that are not as they must be or were not measured."""
    asked = [row for result in results for row in result.measurements if row.limit or row.value is None]
    return sorted(asked, key=lambda row: bool(row.holds))
