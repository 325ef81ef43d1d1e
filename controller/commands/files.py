"""The commands that read stack files: to check them, and to translate them."""

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer

from controller.commands import migrate as migration_report
from controller.commands.common import AsJson, fail, settings_of, text_of
from controller.environment import SECRETS_DIR, proxy_settings
from controller.linting.findings import Severity
from controller.linting.formats import WRITERS, Format
from controller.linting.lint import lint as run_lint
from controller.migrating.migrate import Origin
from controller.migrating.migrate import migrate as run_migrate
from controller.sources.strict_yaml import DocumentError


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
