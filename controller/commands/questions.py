"""The commands that answer questions about what Swarmgate would do; none of them changes anything."""

import asyncio
import os
import sys
from collections.abc import Coroutine, Mapping
from pathlib import Path
from typing import Annotated, Any, TypeVar

import typer
from rich.console import Console

from controller import dry_run
from controller.commands import explain as explanations
from controller.commands import plan as plans
from controller.commands import render as renderings
from controller.commands.common import (
    LOCAL_PROXY,
    AsJson,
    SecretsDir,
    StackFile,
    StackName,
    Url,
    fail,
    settings_of,
    text_of,
)
from controller.environment import SECRETS_DIR, proxy_settings
from controller.errors import PermanentError, SwarmgateError, TemporaryError
from controller.linting.findings import Severity
from controller.linting.stack import read_stack
from controller.logs import set_up_logs
from models.explaining.asked import asked_of
from models.settings import ProxySettings
from models.snapshot import SwarmService

T = TypeVar("T")


def explain(
    request: Annotated[str, typer.Argument(metavar="URL", help="What is asked for.")],
    *,
    method: Annotated[str, typer.Option(help="The method.")] = "GET",
    header: Annotated[list[str] | None, typer.Option(help="A header, 'Name: value'; as often as wanted.")] = None,
    source: Annotated[str | None, typer.Option("--from-address", help="The address that connects.")] = None,
    url: Url = LOCAL_PROXY,
    stack_file: StackFile = None,
    stack: StackName = None,
    as_json: AsJson = False,
) -> None:
    """Tell what becomes of a request and why: who answers, what is done on the way, and which routes came close.

    Nothing is sent: a proxy is asked what it would do; or, with --stack-file, nobody. Exit status 1 if no service
    answers, 2 if no proxy does.
    """
    headers = header or []
    try:
        asked = asked_of(request, method=method, headers=headers, source=source)
        if stack_file is None:
            found = explanations.ask(url, request, method=method, headers=headers, source=source)
        else:
            settings = settings_of(proxy_settings, SECRETS_DIR)
            found = explanations.in_stack(_services_of(stack_file, stack, settings), settings, asked)
    except (TemporaryError, PermanentError, ValueError) as error:
        fail(error, status=2)
    if as_json:
        Console().print_json(found.model_dump_json())
    else:
        Console().print(explanations.report(found))
    raise typer.Exit(int(not explanations.is_answered(found)))


def render(
    *,
    stack_file: StackFile = None,
    stack: StackName = None,
    listener_address: Annotated[
        str | None, typer.Option(help="Hosts of the listeners, comma-separated (LISTENER_ADDRESS).")
    ] = None,
    output: Annotated[Path | None, typer.Option(help="A folder to write the files to.", file_okay=False)] = None,
    with_secrets: Annotated[bool, typer.Option(help="Show passwords and the like; never keys.")] = False,
    secrets_dir: SecretsDir = SECRETS_DIR,
    as_json: AsJson = False,
) -> None:
    """Write the files that Swarmgate would start HAProxy from, without what is secret, to standard output or a folder.

    They are for the services of a stack file, of listeners, or else for the world as the proxy of this machine knew it
    last (STATE_DIR). Of a stack file, 192.0.2.1 stands for the addresses of all services. Exit status 1 if the labels
    of a service are wrong, 2 if the services cannot be read.
    """
    settings = settings_of(proxy_settings, secrets_dir, listener_address=listener_address)
    if stack_file is not None:
        made = dry_run.rendered(dry_run.by_itself(_services_of(stack_file, stack, settings), settings), settings)
    else:
        made = _await(_made_now(settings, secrets_dir, anew=listener_address is not None))
    files = renderings.shown_files(made.rendered.files(), with_secrets=with_secrets)
    if output is not None:
        _write_all(files, output)
    elif as_json:
        Console().print_json(data={"files": files, "refused": dict(made.refused)})
    else:
        sys.stdout.writelines(renderings.as_text(files))
    for name, message in made.refused.items():
        sys.stderr.write(f"{name}: {message}\n")
    raise typer.Exit(int(bool(made.refused)))


async def _made_now(settings: ProxySettings, secrets_dir: Path, *, anew: bool) -> dry_run.Made:
    if anew:
        return await dry_run.made(await dry_run.read(settings), settings, secrets_dir)
    world, remembered = await dry_run.last_known(settings, secrets_dir)
    return await dry_run.made(world, settings, secrets_dir, remembered)


def _write_all(files: Mapping[str, str], folder: Path) -> None:
    try:
        renderings.write(files, folder)
    except OSError as error:
        fail(f"{folder}: {error.strerror}", status=2)


def plan(
    stack_file: Annotated[Path | None, typer.Argument(help="A stack file; - is standard input.")] = None,
    *,
    stack: StackName = None,
    state_dir: Annotated[Path | None, typer.Option(help="The state folder of the proxy (STATE_DIR).")] = None,
    secrets_dir: SecretsDir = SECRETS_DIR,
    as_json: AsJson = False,
) -> None:
    """Tell what would be done to the HAProxy of a running proxy, and why; nothing is changed.

    With a stack file it is what deploying that would do. Without one it is what the proxy has still to do: the world is
    read anew, and HAProxy is asked what it runs; where all is well, nothing.

    Meant for a proxy's container, where the world is as the proxy knew it last (STATE_DIR); elsewhere it is read as
    the settings say. HAProxy itself is not asked whether it takes the files. Exit status 1 if the labels of a service
    would be wrong, 2 if the world cannot be read.
    """
    settings = settings_of(proxy_settings, secrets_dir, state_dir=state_dir)
    if stack_file is None:
        found = _await(_pending(settings, secrets_dir))
    else:
        found = _await(_planned(_services_of(stack_file, stack, settings), settings, secrets_dir))
    if as_json:
        Console().print_json(data=plans.as_json(found))
    else:
        Console().print(plans.report(found))
    raise typer.Exit(int(bool(found.refused)))


async def _planned(services: tuple[SwarmService, ...], settings: ProxySettings, secrets_dir: Path) -> plans.Planned:
    world, remembered = await dry_run.last_known(settings, secrets_dir)
    before, after = [
        await dry_run.made(each, settings, secrets_dir, remembered)
        for each in (world, dry_run.deployed(world, services))
    ]
    return plans.planned(before, after, dry_run.version(settings))


async def _pending(settings: ProxySettings, secrets_dir: Path) -> plans.Planned:
    try:
        observed, files = await dry_run.running(settings)
    except (TemporaryError, OSError) as error:
        raise TemporaryError(
            f"there is no HAProxy of a proxy here ({error}); ask in its container, with its RUN_DIR and STATE_DIR, "
            "or give a stack file"
        ) from error
    world, remembered = await dry_run.last_known(settings, secrets_dir, anew=True)
    return plans.pending(observed, files, await dry_run.made(world, settings, secrets_dir, remembered))


def _await(work: Coroutine[Any, Any, T]) -> T:
    """Do what takes reading the world, or fail telling why it cannot be read."""
    set_up_logs(level="error", form="text")
    try:
        return asyncio.run(work)
    except SwarmgateError as error:
        fail(error, status=2)


def _services_of(file: Path, stack: str | None, settings: ProxySettings) -> tuple[SwarmService, ...]:
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
