"""The command line: one command per role, and small ones around them."""

import asyncio
import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Coroutine
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console, RenderableType
from rich.live import Live
from rich.markup import escape

from controller import healthcheck as container_healthcheck
from controller import init as container_init
from controller.app import run_listener, run_proxy
from controller.commands import labels as label_reference
from controller.commands import migrate as migration_report
from controller.commands import questions
from controller.commands import status as status_report
from controller.commands.common import (
    LOCAL_PROXY,
    AsJson,
    SecretsDir,
    Url,
    fail,
    settings_of,
    text_of,
)
from controller.demo import run_demo
from controller.environment import SECRETS_DIR, listener_settings, proxy_settings
from controller.errors import PermanentError, SwarmgateError, TemporaryError
from controller.linting.findings import Severity
from controller.linting.formats import WRITERS, Format
from controller.linting.lint import lint as run_lint
from controller.logs import set_up_logs
from controller.migrating.migrate import Origin
from controller.migrating.migrate import migrate as run_migrate
from controller.sources.strict_yaml import DocumentError
from models.service import TABLE

cli = typer.Typer(
    help="Ingress for Docker Swarm: service labels to a converged HAProxy, without reloads. "
    "Every variable can also be given as a secret dfp_<lower case name>, which wins.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
)


for question in (questions.explain, questions.render, questions.plan):
    cli.command()(question)


@cli.command()
def proxy(
    *,
    stack_file: Annotated[
        Path | None, typer.Option(help="Take the services from this compose file instead of a Swarm (STACK_FILE).")
    ] = None,
    listener_address: Annotated[
        str | None, typer.Option(help="Hosts of the listeners, comma-separated (LISTENER_ADDRESS).")
    ] = None,
    state_dir: Annotated[Path | None, typer.Option(help="Folder for what survives a restart (STATE_DIR).")] = None,
    run_dir: Annotated[Path | None, typer.Option(help="Folder for sockets (RUN_DIR).")] = None,
    port: Annotated[int | None, typer.Option(help="Port of the API (PORT).")] = None,
    secrets_dir: SecretsDir = SECRETS_DIR,
) -> None:
    """Supervise the HAProxy beside this process and converge it to the services.

    The services come from the first that applies: --stack-file, the listeners at LISTENER_ADDRESS, or the Docker API
    (DOCKER_HOST), which must be a Swarm manager's.
    """
    settings = settings_of(
        proxy_settings,
        secrets_dir,
        stack_file=stack_file,
        listener_address=listener_address,
        state_dir=state_dir,
        run_dir=run_dir,
        port=port,
    )
    set_up_logs(level=settings.log_level, form=settings.log_format)
    _run(run_proxy(settings, secrets_dir=secrets_dir))


@cli.command()
def listener(
    port: Annotated[int | None, typer.Option(help="Port of the API (PORT).")] = None,
    secrets_dir: SecretsDir = SECRETS_DIR,
) -> None:
    """Publish the services of this Swarm to the proxies; runs on a manager, with the Docker socket mounted."""
    settings = settings_of(listener_settings, secrets_dir, port=port)
    set_up_logs(level=settings.log_level, form=settings.log_format)
    _run(run_listener(settings, secrets_dir=secrets_dir))


@cli.command()
def healthcheck() -> None:
    """Tell whether the controller on this machine is ready: exit status 0 if it is."""
    raise typer.Exit(container_healthcheck.main())


@cli.command(context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
def init(command: Annotated[list[str], typer.Argument(help="The command to keep running.")]) -> None:
    """Keep a command running as process 1 of a container, so that HAProxy outlives a controller that dies."""
    raise typer.Exit(container_init.main(command))


@cli.command()
def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the stack file to edit and the proxy's state.")] = Path(
        "build/demo"
    ),
) -> None:
    """Show it on this machine without Docker: two small services, a stack file to edit, and a proxy that follows it."""
    set_up_logs(form="text")
    _run(run_demo(folder))


@cli.command()
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


@cli.command()
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


@cli.command()
def lint(
    files: Annotated[list[Path], typer.Argument(help="Compose or stack files.", exists=True, dir_okay=False)],
    *,
    form: Annotated[Format, typer.Option("--format", help="How findings are written.")] = Format.TEXT,
    strict: Annotated[bool, typer.Option(help="Let warnings fail as errors do.")] = False,
) -> None:
    """Check stack files before they are deployed: each label, and conflicts between the services of all files.

    Every file is taken for a stack of its own in one Swarm. Variables are replaced as docker stack deploy does, from
    the environment; so are the proxy's settings that labels depend on, SEPARATOR for one. Exit status 1 if there are
    errors, 2 if a file cannot be read.
    """
    settings = settings_of(proxy_settings, SECRETS_DIR)
    findings = run_lint([(str(file), text_of(file)) for file in files], settings, os.environ)
    if written := WRITERS[form](findings):
        sys.stdout.write(written + "\n")
    counts = Counter(each.severity for each in findings)
    if form is Format.TEXT:
        told = ", ".join(f"{counts[each]} {each.value}{'s' * (counts[each] != 1)}" for each in Severity)
        sys.stderr.write(f"{len(files)} file{'s' * (len(files) != 1)} checked: {told}\n")
    raise typer.Exit(int(bool(counts[Severity.ERROR] or (strict and counts[Severity.WARNING]))))


@cli.command()
def migrate(
    file: Annotated[Path, typer.Argument(help="A stack file.", exists=True, dir_okay=False)],
    *,
    output: Annotated[Path | None, typer.Option(help="Write the file there instead of to standard output.")] = None,
    origin: Annotated[
        Origin | None, typer.Option("--from", help="The proxy whose labels are translated; all of them by default.")
    ] = None,
    replace: Annotated[bool, typer.Option(help="Take out the labels that were translated.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give the services of a stack file labels of Swarmgate by those they have of Traefik, EasyHAProxy or Caddy.

    Both proxies can run side by side, for the labels that were there stay, unless there is --replace. What became of
    each label is told on standard error. Exit status 1 if a label was not translated, 2 if the file cannot be read.
    """
    try:
        migrated = run_migrate(text_of(file), [origin] if origin else [*Origin], replace=replace)
    except DocumentError as error:
        fail(f"{file}: {error}", status=2)
    if output:
        _write(output, migrated.text)
    else:
        sys.stdout.write(migrated.text)
    sys.stderr.write((migration_report.as_json if as_json else migration_report.as_text)(migrated.translations))
    raise typer.Exit(int(not migrated.is_whole))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        fail(f"{file}: {error.strerror}", status=2)


def _run(role: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(role)
    except* PermanentError as group:
        fail(_first(group))
    except* SwarmgateError as group:
        fail(_first(group), status=1)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


def main() -> None:
    """Run the command line."""
    cli()
