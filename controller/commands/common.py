"""What commands have in common: how they fail, how they read settings and files, and options that several have."""

import os
import sys
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from controller.errors import PermanentError
from controller.init import MISCONFIGURED
from controller.linting.findings import Severity
from controller.linting.stack import read_stack
from models.settings import ProxySettings
from models.snapshot import SwarmService

AsJson = Annotated[bool, typer.Option("--json", help="Write JSON.")]
SecretsDir = Annotated[Path, typer.Option(help="Folder of the mounted secrets.")]
Url = Annotated[str, typer.Option(envvar="SWARMGATE_URL", help="Where the API of a proxy is.")]
StackFile = Annotated[Path | None, typer.Option(help="The services of this stack file; - is standard input.")]
StackName = Annotated[
    str | None,
    typer.Option(
        "--stack",
        help="The stack's name; by default the file's. With '', services are called as in the file (STACK_FILE).",
    ),
]
LOCAL_PROXY = "http://127.0.0.1:8080"


def fail(error: object, status: int = MISCONFIGURED) -> NoReturn:
    """End the process with a status and a line on standard error."""
    sys.stderr.write(f"swarmgate: {error}\n")
    sys.exit(status)


def settings_of(read: Any, secrets_dir: Path, **options: Any) -> Any:  # noqa: ANN401 - of either role
    """Return the settings of a role, or fail telling what is wrong with them."""
    try:
        return read(secrets_dir=secrets_dir, **options)
    except PermanentError as error:
        fail(error)


def text_of(file: Path) -> str:
    """Return the text of a file (``-``: of standard input), or fail."""
    try:
        if str(file) == "-":
            return sys.stdin.buffer.read().decode("utf-8-sig")
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"{file}: {getattr(error, 'strerror', None) or 'it is not text in UTF-8'}", status=2)


def services_of(file: Path, stack: str | None, settings: ProxySettings) -> tuple[SwarmService, ...]:
    """Return the services of a stack file that ask to be published, called as they are once it is deployed, or fail.

    Variables are replaced as ``docker stack deploy`` does, from the environment.
    """
    name = (file.stem if str(file) != "-" else "stack") if stack is None else stack
    read = read_stack(str(file), text_of(file), name, os.environ, settings.df_notify_label)
    for each in read.findings:
        if each.rule == "NoStackFile" and each.severity is Severity.ERROR:
            fail(f"{file}: {each.message}", status=2)
    return tuple(each.service if name else _as_in_the_file(each.service) for each in read.services)


def _as_in_the_file(service: SwarmService) -> SwarmService:
    return service.model_copy(update={"name": service.name.removeprefix("_")})
