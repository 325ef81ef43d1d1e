"""What commands have in common: how they fail, how they read settings and files, and options that several have."""

import asyncio
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from controller.errors import PermanentError, SwarmgateError, TemporaryError
from controller.init import MISCONFIGURED

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


def unanswered(url: str, told: object, otherwise: str) -> TemporaryError:
    """Return the error for a proxy that does not answer as one does, with what was told and what else can be done."""
    return TemporaryError(
        f"the API of a proxy does not answer at {url} ({told}); name it with --url or SWARMGATE_URL, {otherwise}"
    )


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


def run(role: Coroutine[Any, Any, None]) -> None:
    """Run what runs until it is stopped, or fail with its first error."""
    try:
        asyncio.run(role)
    except* PermanentError as group:
        fail(_first(group))
    except* SwarmgateError as group:
        fail(_first(group), status=1)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
