"""What every role does first, done once in a process that is then forked for each role: importing, compiling templates.

It takes about a second, which is most of what a test of a running role takes.
"""

import importlib
import multiprocessing
import os
import signal
import subprocess
import sys
from functools import cache
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from unittest import mock

from controller.cli import main
from render.environment import environment

_IMPORTED_LATE = (
    "anyio._backends._asyncio",
    "h11",
    "pydantic.v1",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.h11_impl",
)
"""What is imported when a role starts, and not before."""


def prepare() -> None:
    """Do what every role would do."""
    for module in _IMPORTED_LATE:
        importlib.import_module(module)
    templates = environment()
    for name in templates.list_templates():
        templates.get_template(name)


class Forked:
    """A role that was forked: as much of ``subprocess.Popen`` as tests need."""

    def __init__(self, arguments: list[str], environment: dict[str, str], log: Path) -> None:
        self._process = _nursery().Process(target=_become, args=(arguments, environment, log), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit status, None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit status once it has ended."""
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("swarmgate", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send a signal, if it still runs."""
        if self.poll() is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """Kill it."""
        self.send_signal(signal.SIGKILL)


@cache
def _nursery() -> ForkServerContext:
    """Return the process to fork from. It imports this module, and finds it on the path that is in force here."""
    made = multiprocessing.get_context("forkserver")
    made.set_forkserver_preload([__name__])
    with mock.patch.dict(os.environ, PYTHONPATH=os.pathsep.join(sys.path), **{_IS_NURSERY: "1"}):
        forkserver.ensure_running()
    return made


def _become(arguments: list[str], environment: dict[str, str], log: Path) -> None:
    """Be ``swarmgate`` with these arguments and this environment."""
    os.environ.clear()
    os.environ.update(environment)
    with log.open("ab") as output:
        os.dup2(output.fileno(), sys.stdout.fileno())
        os.dup2(output.fileno(), sys.stderr.fileno())
    sys.argv = ["swarmgate", *arguments]
    main()


_IS_NURSERY = "SWARMGATE_TEST_NURSERY"
if _IS_NURSERY in os.environ:
    prepare()
