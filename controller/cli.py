"""The command line: which commands there are, and where; only what is run is imported.

A proxy that starts need not wait for what only other commands need.
"""

import gc
import os
import sys
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import contextmanager
from importlib import import_module
from types import ModuleType
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

_MODULES = {
    "explain": "questions",
    "render": "questions",
    "plan": "questions",
    "proxy": "proxy",
    "listener": "listener",
    "healthcheck": "container",
    "init": "container",
    "demo": "demo",
    "labels": "asking",
    "status": "asking",
    "lint": "files",
    "migrate": "files",
}
"""Commands in the order in which they are told, each with the module in `controller.commands` that has its function."""
_ROLES = ("proxy", "listener")
_NOT_FOR_ROLES = ("rich", "httpx._main")
"""What libraries would have for people at a terminal, and do without where it is not installed."""
_SETTINGS: dict[str, dict[str, Any]] = {"init": {"ignore_unknown_options": True, "allow_interspersed_args": False}}


def function_of(command: str) -> Callable[..., Any]:
    """Return the function of a command."""
    with _nothing_meanwhile():
        module = import_module(f"controller.commands.{_MODULES[command]}")
    function: Callable[..., Any] = getattr(module, command)
    return function


@contextmanager
def _nothing_meanwhile() -> Iterator[None]:
    """Have nothing done, while much is imported, that only takes time; Pydantic would look for plugins to it."""
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "1")
    gc.disable()  # all that is imported stays, and need never be walked through
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


class _Commands(MutableMapping[str, Any]):
    """The commands by name, each made when it is asked for."""

    def __init__(self) -> None:
        self._made: dict[str, Any] = {}

    def __getitem__(self, name: str) -> Any:  # noqa: ANN401 - Typer's classes for commands are not public
        if name not in self._made and name in _MODULES:
            alone = typer.Typer(add_completion=False, rich_markup_mode=None)
            alone.command(name, context_settings=_SETTINGS.get(name))(function_of(name))
            self._made[name] = typer.main.get_command(alone)
        return self._made[name]

    def __setitem__(self, name: str, command: Any) -> None:  # noqa: ANN401
        self._made[name] = command

    def __delitem__(self, name: str) -> None:
        del self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_MODULES)

    def __len__(self) -> int:
        return len(_MODULES)


class _Group(TyperGroup):
    def __init__(self, **options: Any) -> None:  # noqa: ANN401 - Typer's
        super().__init__(**options)
        self.commands = _Commands()

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401, ARG002
        """Return the names, without having the commands made."""
        return [*self.commands]


cli = typer.Typer(
    cls=_Group,
    help="Ingress for Docker Swarm: service labels to a converged HAProxy, without reloads. "
    "Every variable can also be given as a secret dfp_<lower case name>, which wins.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _tell_version(wanted: bool) -> None:  # noqa: FBT001 - Typer calls it
    if wanted:
        from importlib.metadata import version  # noqa: PLC0415 - for this option alone

        typer.echo(f"swarmgate {version('swarmgate')}")
        raise typer.Exit


@cli.callback()
def _of_all(
    *,
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Tell the version, and end.")
    ] = False,
) -> None:
    """Have Typer make a group, though no command is known to it."""


def main() -> None:
    """Run the command line; what a role imports, now or later, takes that for absent which it has no use for."""
    if len(sys.argv) > 1 and sys.argv[1] in _ROLES:
        sys.modules.update(dict.fromkeys(_NOT_FOR_ROLES, cast("ModuleType", None)))
    cli()
