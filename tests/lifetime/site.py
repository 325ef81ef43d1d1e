"""A controller without Docker, on a real HAProxy: it is given a world, and may be killed and started anew."""

import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any
from unittest import mock

from controller.changes import Applied, Plan
from controller.endpoints import Needs, Surroundings
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.generations import Generations
from controller.haproxy.process import HAProxyProcess
from controller.haproxy.runtime import Session
from controller.loop import Round
from controller.machine import machine_for
from controller.metrics import Metrics
from controller.reconcile import Reconciler
from controller.reload_gate import ReloadGate
from controller.remembered import saved_in
from controller.status import StatusStore
from models.certificates import Certificate, CertificateFiles
from models.observed import Observed
from models.settings import ProxySettings
from models.snapshot import Snapshot
from render.files import Rendered

NOW = datetime.now(UTC)
_NETWORKS = (ip_network("127.0.0.0/8"),)


class KilledError(BaseException):
    """The controller ends here, with nothing tidied up."""


@dataclass
class Surrounded:
    """What the controller reads: the services, and the certificates around the proxy."""

    services: Snapshot = field(default_factory=Snapshot)
    certificates: tuple[Certificate, ...] = ()
    fallback: Certificate | None = None

    async def snapshot(self) -> Snapshot:
        return self.services

    async def read(self, needs: Needs) -> Surroundings:
        assert not needs.hosts
        files = CertificateFiles(usable=self.certificates, fallback=self.fallback)
        return Surroundings(networks=_NETWORKS, certificates=files, now=NOW)


class Watched(HAProxyDataplane):
    """A dataplane that keeps the plans that it was given."""

    def __init__(self, *arguments: Any, **options: Any) -> None:  # noqa: ANN401 - those of the real one
        super().__init__(*arguments, **options)
        self.plans: list[Plan] = []
        self.rendered: Rendered | None = None

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        self.plans.append(plan)
        self.rendered = rendered
        return await super().apply(plan, rendered)


class Site:
    """HAProxy below a folder, and its controller."""

    def __init__(self, binary: Path, folder: Path, settings: ProxySettings, around: Surrounded) -> None:
        self.binary = binary
        self.settings = settings
        self.around = around
        self._folders = {"state_dir": folder / "state", "run_dir": folder / "run"}
        self.start_controller()

    def start_controller(self) -> None:
        """Start a controller that knows nothing yet."""
        self.dataplane = Watched(self.binary, load_limit=60, command_limit=30, **self._folders)
        memory = saved_in(self._folders["state_dir"] / "last-good.jsonl", self.settings.label_rules)
        memory.save_soon = memory.save  # at once: this controller may be killed at any moment
        self.reconciler = Reconciler(
            source=self.around,
            dataplane=self.dataplane,
            settings=self.settings,
            machine=machine_for(self.settings, self.dataplane),
            read_surroundings=self.around.read,
            status=StatusStore(now=lambda: NOW),
            metrics=Metrics(),
            gate=ReloadGate(quiet=0, longest=0, interval=0),
            memory=memory,
        )

    def restart_controller(self) -> None:
        """Have another controller take over, whatever became of the one before."""
        self.dataplane.close()
        self.start_controller()

    @property
    def files(self) -> Path:
        """The folder of the files in force."""
        return self._folders["state_dir"] / "haproxy" / "current"

    @property
    def run_dir(self) -> Path:
        """The folder of the sockets."""
        return self._folders["run_dir"]

    async def reconcile(self, *, resync: bool = False) -> list[Plan]:
        """Reconcile once, and return the plans that were made."""
        self.dataplane.plans.clear()
        await self.reconciler.reconcile(Round(resync=resync, dirty_since=None))
        return [*self.dataplane.plans]

    @property
    def believed(self) -> Observed | None:
        """What the controller takes HAProxy to run; None if it has to ask."""
        return self.reconciler._expected


@contextlib.asynccontextmanager
async def site(
    binary: Path, folder: Path, settings: ProxySettings, around: Surrounded | None = None
) -> AsyncIterator[Site]:
    """Make a site below a folder; its HAProxy is gone after the block."""
    made = Site(binary, folder, settings, around or Surrounded())
    try:
        yield made
    finally:
        made.dataplane.close()
        await made.dataplane.process.stop()


@contextlib.contextmanager
def killed_after(steps: int) -> Iterator[None]:
    """Have the controller killed in the block once it has taken so many steps that others can see.

    Steps are commands for HAProxy, each of them by itself, and the writing and switching of files.
    """
    left = steps
    execute = Session.execute

    def step() -> None:
        nonlocal left
        if left <= 0:
            raise KilledError
        left -= 1

    async def executed(session: Session, commands: Any) -> list[str]:  # noqa: ANN401 - those of the real one
        nonlocal left
        if len(commands) <= left:
            left -= len(commands)
            return await execute(session, commands)
        await execute(session, commands[:left])
        raise KilledError

    with contextlib.ExitStack() as stack:
        stack.enter_context(mock.patch.object(Session, "execute", executed))
        for owner, name in ((Generations, "write"), (Generations, "switch"), (HAProxyProcess, "reload")):
            stack.enter_context(mock.patch.object(owner, name, _counted(getattr(owner, name), step)))
        yield


def _counted(call: Callable[..., Any], step: Callable[[], None]) -> Callable[..., Any]:
    def counted(*arguments: Any) -> Any:  # noqa: ANN401 - those of the real one
        step()
        return call(*arguments)

    return counted
