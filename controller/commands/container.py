"""The commands that are there for containers."""

from typing import Annotated

import typer

from controller import healthcheck as container_healthcheck
from controller import init as container_init


def healthcheck() -> None:
    """Tell whether the controller on this machine is ready: exit status 0 if it is."""
    raise typer.Exit(container_healthcheck.main())


def init(command: Annotated[list[str], typer.Argument(help="The command to keep running.")]) -> None:
    """Keep a command running as process 1 of a container, so that HAProxy outlives a controller that dies."""
    raise typer.Exit(container_init.main(command))
