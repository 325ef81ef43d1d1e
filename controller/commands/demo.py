"""The command that runs the demonstration."""

from pathlib import Path
from typing import Annotated

import typer

from controller.commands.common import run
from controller.demo import run_demo
from controller.logs import set_up_logs


def demo(
    folder: Annotated[Path, typer.Option(help="Folder for the stack file to edit and the proxy's state.")] = Path(
        "build/demo"
    ),
) -> None:
    """Show it on this machine without Docker: two small services, a stack file to edit, and a proxy that follows it."""
    set_up_logs(form="text")
    run(run_demo(folder))
