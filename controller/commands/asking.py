"""The commands that show what is known: about labels, and of services."""

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Annotated, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape

from controller.commands import labels as label_reference
from controller.commands import status as status_report
from controller.commands.common import LOCAL_PROXY, AsJson, Url, fail
from controller.errors import TemporaryError
from models.service import TABLE


def labels(
    name: Annotated[str | None, typer.Argument(help="A label, with or without com.df.; otherwise all.")] = None,
    *,
    as_json: AsJson = False,
) -> None:
    """Tell what labels may be and what they do: all in brief, or one in full."""
    row = label_reference.find_label(name) if name else None
    if name and row is None:
        near = label_reference.nearest_label(name)
        fail(f"{name} is not a label" + (f"; did you mean {near}?" if near else ""), status=1)
    if as_json:
        found = label_reference.facts(row) if row else [label_reference.facts(each) for each in TABLE.values()]
        Console().print_json(data=found)
    else:
        Console().print(label_reference.in_full(row) if row else label_reference.as_list())


def status(
    service: Annotated[str | None, typer.Argument(help="A service, to be told all about.")] = None,
    *,
    url: Url = LOCAL_PROXY,
    watch: Annotated[bool, typer.Option(help="Go on showing it, until interrupted.")] = False,
    as_json: AsJson = False,
) -> None:
    """Tell what became of the services: conditions with reasons and since when, routes, servers, certificates.

    Exit status 1 if anything is wrong with a service or the proxy is not ready, 2 if no proxy answers.
    """

    def shown(found: status_report.Status) -> RenderableType:
        now = datetime.now(UTC)
        return status_report.details(found, now) if service else status_report.overview(found, now)

    found = _asked(url, service)
    if watch:
        _watch(lambda: _unless_away(lambda: shown(status_report.ask_for(url, service))), first=shown(found))
    elif as_json:
        Console().print_json(data=status_report.as_json(found, alone=service is not None))
    else:
        Console().print(shown(found))
    raise typer.Exit(int(not found.is_good))


def _asked(url: str, service: str | None) -> status_report.Status:
    try:
        return status_report.ask_for(url, service)
    except TemporaryError as error:
        fail(error, status=2)
    except status_report.UnknownServiceError as error:
        fail(error, status=1)


def _unless_away(look: Callable[[], RenderableType]) -> RenderableType:
    """Look, or say why there is nothing to see now: whoever watches waits for it to come back."""
    try:
        return look()
    except (TemporaryError, status_report.UnknownServiceError) as error:
        return f"[red]{escape(str(error))}[/red]"


def _watch(look: Callable[[], RenderableType], *, first: RenderableType) -> NoReturn:
    """Show something anew each second; end quietly upon Ctrl-C."""
    with suppress(KeyboardInterrupt), Live(first, console=Console(), auto_refresh=False) as live:
        while True:
            time.sleep(1)
            live.update(look(), refresh=True)
    raise typer.Exit
