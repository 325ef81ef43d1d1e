"""The command: ``python -m benchmarks``."""

import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, TextIO

import typer
from rich.console import Console

from benchmarks import ROOT
from benchmarks.charts import draw
from benchmarks.context import SIZES, Context, UnmeasurableError, find_haproxy
from benchmarks.machine import Machine, this_machine
from benchmarks.measurement import Finding, Measurement
from benchmarks.page import CHARTS, page_text
from benchmarks.results import Result, Results, result_of
from benchmarks.subjects import SUBJECTS, Subject
from benchmarks.table import ratio_text, table, value_text, verdict_word
from controller.logs import set_up_logs

DOCS = ROOT / "docs"
OUTPUT = ROOT / "build" / "bench"
_WIDTH = 160
"""Of lines where there is no terminal."""
_QUICK_SIZES = (10, 1_000, 5_000)

_MINUTES = sum(subject.minutes for subject in SUBJECTS.values())
_LISTED = "\n\n".join(f"{name}: {subject.title}." for name, subject in SUBJECTS.items())
_HELP = f"""Measure what Swarmgate promises (DESIGN: numbers that must hold), and rivals beside it in the same run.

Everything runs on this machine and on loopback: a real HAProxy 3.4, a fake Docker Engine with up to 10,000 services,
real controllers, and load from wrk and h2load. Numbers that are compared with each other are of one run, taken in
turns. Subjects:

{_LISTED}

Each run writes build/bench/results.json, which keeps the last result of each subject, and a chart for each curve beside
it; --write-docs writes docs/performance.md from it. Programs that are started say what they say in
build/bench/log.txt. A full run is to take {_MINUTES:g} minutes at most on two cores: each subject has its time, and
repeats less what takes longer. --quick takes some minutes and gives rough numbers.

Where the controller's time goes: python -m benchmarks --only control-plane --sizes 5000 --quick --profile
"""

cli = typer.Typer(rich_markup_mode="markdown", add_completion=False)


@cli.command(help=_HELP)
def main(
    *,
    only: Annotated[list[str] | None, typer.Option(help="Only this subject; may be given several times.")] = None,
    sizes: Annotated[
        str, typer.Option(help="Numbers of services, such as 10,5000. Default: 10,100,1000,5000,10000.")
    ] = "",
    quick: Annotated[
        bool, typer.Option("--quick", help="Fewer and shorter runs; 10, 1,000 and 5,000 services.")
    ] = False,
    profile: Annotated[
        bool, typer.Option("--profile", help="With control-plane: also write where its time goes (profile-*.txt).")
    ] = False,
    write_docs: Annotated[
        bool, typer.Option("--write-docs", help="Write docs/performance.md and its charts from the last results.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Exit with 1 if a number is not as it must be, or missing.")
    ] = False,
) -> None:
    """Run the subjects and show the table."""
    chosen = _chosen(only or [*SUBJECTS])
    OUTPUT.mkdir(parents=True, exist_ok=True)
    signal.signal(signal.SIGTERM, _end)
    with _own_output(OUTPUT / "log.txt") as terminal:
        console = Console(file=terminal, width=None if terminal.isatty() else _WIDTH)
        set_up_logs(level="error")
        context = _context(console, sizes, quick=quick, profile=profile)
        results = Results.load(OUTPUT)
        run = []
        for result in _run_all(chosen, context, console):
            results.keep(result)
            run.append(result)
        console.print(table(run))
        if write_docs:
            ordered = [results.known[name] for name in SUBJECTS if name in results.known]
            console.print(f"Written: {_write_page(ordered)}")
    missed = [row for result in run for row in result.measurements if row.holds is False or row.value is None]
    raise typer.Exit(1 if strict and missed else 0)


def _end(number: int, _frame: object) -> None:
    """End as upon an error, so that everything that was started is ended too."""
    sys.exit(128 + number)


def _chosen(names: list[str]) -> dict[str, Subject]:
    unknown = [name for name in names if name not in SUBJECTS]
    if unknown:
        raise typer.BadParameter(f"{unknown[0]} is none of: {', '.join(SUBJECTS)}", param_hint="--only")
    return {name: SUBJECTS[name] for name in SUBJECTS if name in names}


def _context(console: Console, sizes: str, *, quick: bool, profile: bool) -> Context:
    try:
        numbers = (
            tuple(sorted({int(each) for each in sizes.split(",")})) if sizes else (_QUICK_SIZES if quick else SIZES)
        )
    except ValueError:
        raise typer.BadParameter(f"{sizes!r} is not numbers divided by ','", param_hint="--sizes") from None
    try:
        return Context(numbers, quick, find_haproxy(), OUTPUT, profile)
    except UnmeasurableError as error:
        console.print(str(error))
        raise typer.Exit(2) from None


def _run_all(chosen: dict[str, Subject], context: Context, console: Console) -> Iterator[Result]:
    """Run the subjects one after the other, telling how far it is."""
    machine, started = this_machine(context.haproxy), time.monotonic()
    for number, (name, subject) in enumerate(chosen.items(), start=1):
        so_far = (time.monotonic() - started) / 60
        console.rule(f"{number} of {len(chosen)}, {so_far:.1f} min so far; {name}: {subject.title}")
        result = _run(name, subject, context.within(subject.minutes), machine, console)
        console.print(f"took {result.seconds / 60:.1f} min of {subject.minutes:g}", style="dim")
        yield result
    console.print(f"{(time.monotonic() - started) / 60:.1f} min in all")


def _run(name: str, subject: Subject, context: Context, machine: Machine, console: Console) -> Result:
    """Run one subject, showing each row when it is there; what it cannot measure becomes a row that says why."""
    began, started = datetime.now(UTC), time.monotonic()
    found: list[Finding] = []
    try:
        for finding in subject.run(context):
            found.append(finding)
            _show(finding, console)
    except UnmeasurableError as error:
        found.append(Measurement(subject.title, None, "", note=f"not measured: {error}"))
        _show(found[-1], console)
    except Exception:  # noqa: BLE001 - the other subjects are to be measured all the same
        console.print_exception()
        found.append(Measurement(subject.title, None, "", note="failed half-way; see build/bench/log.txt"))
    seconds = time.monotonic() - started
    for finding in found:
        if not isinstance(finding, Measurement):
            draw(finding, context.output / "charts")
    return result_of(
        name,
        subject.title,
        found,
        began=began,
        seconds=seconds,
        quick=context.quick,
        sizes=context.sizes,
        machine=machine,
    )


def _write_page(results: Sequence[Result]) -> Path:
    """Write the page and its charts into the documentation, and return the page."""
    shutil.rmtree(DOCS / CHARTS, ignore_errors=True)
    for curve in (each for result in results for each in result.curves):
        draw(curve, DOCS / CHARTS)
    target = DOCS / "performance.md"
    target.write_text(page_text(results), encoding="utf-8")
    return target


def _show(finding: Finding, console: Console) -> None:
    if isinstance(finding, Measurement):
        words = (finding.name, value_text(finding), ratio_text(finding), verdict_word(finding), finding.note)
        console.print(" | ".join(filter(None, words)), highlight=False, soft_wrap=True)


@contextmanager
def _own_output(log: Path) -> Iterator[TextIO]:
    """Keep the terminal for the command itself: what the programs it starts say goes to a file."""
    sys.stdout.flush()
    terminal = os.fdopen(os.dup(1), "w", encoding="utf-8")
    saved = os.dup(1), os.dup(2)
    with log.open("w", encoding="utf-8") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    try:
        yield terminal
    finally:
        sys.stdout.flush()
        terminal.flush()
        for number, copy in enumerate(saved, start=1):
            os.dup2(copy, number)


if __name__ == "__main__":
    cli()
