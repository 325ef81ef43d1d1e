"""``docs/performance.md``: the table and the charts of the last run, the machine, and how to repeat it."""

import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from benchmarks import ROOT
from benchmarks.charts import draw
from benchmarks.results import Result
from benchmarks.table import limit_text, ratio_text, value_text, verdict_word

DOCS = ROOT / "docs"
CHARTS = "performance"


def machine_text(result: Result) -> str:
    """Return in one line where a result is from."""
    facts = result.machine
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['memory_gib']} GiB, Linux {facts['kernel']}; "
        f"HAProxy {facts['haproxy']}, Python {facts['python']}, Caddy {facts['caddy']}, "
        f"EasyHAProxy {facts['easyhaproxy']}, wrk {facts['wrk']}, h2load {facts['h2load']}."
    )


def write_page(results: Iterable[Result], docs: Path = DOCS) -> Path:
    """Write the page and its charts into the folder of the documentation, and return the page."""
    shown: Sequence[Result] = list(results)
    shutil.rmtree(docs / CHARTS, ignore_errors=True)
    for result in shown:
        for curve in result.curves:
            draw(curve, docs / CHARTS)
    environment = Environment(
        loader=FileSystemLoader(DOCS / "templates"),
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
    target = docs / "performance.md"
    target.write_text(environment.get_template("performance.md.j2").render(results=shown, charts=CHARTS), "utf-8")
    return target
