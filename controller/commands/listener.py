"""The command that runs the listener's role."""

from typing import Annotated

import typer

from controller.commands.common import SecretsDir, run, settings_of
from controller.environment import SECRETS_DIR, listener_settings
from controller.listener_role import run_listener
from controller.logs import set_up_logs


def listener(
    port: Annotated[int | None, typer.Option(help="Port of the API (PORT).")] = None,
    secrets_dir: SecretsDir = SECRETS_DIR,
) -> None:
    """Publish the services of this Swarm to the proxies; runs on a manager, with the Docker socket mounted."""
    settings = settings_of(listener_settings, secrets_dir, port=port)
    set_up_logs(level=settings.log_level, form=settings.log_format)
    run(run_listener(settings, secrets_dir=secrets_dir))
