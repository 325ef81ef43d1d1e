"""The command that runs the proxy's role."""

from pathlib import Path
from typing import Annotated

import typer

from controller.commands.common import SecretsDir, run, settings_of
from controller.environment import SECRETS_DIR, proxy_settings
from controller.logs import set_up_logs
from controller.proxy_role import run_proxy


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
    run(run_proxy(settings, secrets_dir=secrets_dir))
