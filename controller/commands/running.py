"""The commands that run until they are stopped: the two roles, and the demonstration."""

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Annotated, Any

import typer

from controller.app import run_listener, run_proxy
from controller.commands.common import SecretsDir, fail, settings_of
from controller.demo import run_demo
from controller.environment import SECRETS_DIR, listener_settings, proxy_settings
from controller.errors import PermanentError, SwarmgateError
from controller.logs import set_up_logs


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


def listener(
    port: Annotated[int | None, typer.Option(help="Port of the API (PORT).")] = None,
    secrets_dir: SecretsDir = SECRETS_DIR,
) -> None:
    """Publish the services of this Swarm to the proxies; runs on a manager, with the Docker socket mounted."""
    settings = settings_of(listener_settings, secrets_dir, port=port)
    set_up_logs(level=settings.log_level, form=settings.log_format)
    _run(run_listener(settings, secrets_dir=secrets_dir))


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the stack file to edit and the proxy's state.")] = Path(
        "build/demo"
    ),
) -> None:
    """Show it on this machine without Docker: two small services, a stack file to edit, and a proxy that follows it."""
    set_up_logs(form="text")
    _run(run_demo(folder))


def _run(role: Coroutine[Any, Any, None]) -> None:
    try:
        asyncio.run(role)
    except* PermanentError as group:
        fail(_first(group))
    except* SwarmgateError as group:
        fail(_first(group), status=1)


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error
