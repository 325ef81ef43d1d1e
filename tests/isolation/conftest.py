"""A reconciler between a world that tests change and a real HAProxy, whose words can be withheld."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import df, service, snapshot
from haproxy.loopback import free_port, get, http_server

from controller.changes import Applied, Plan
from controller.endpoints import Needs, Surroundings
from controller.errors import ConfigRejectedError
from controller.haproxy.dataplane import HAProxyDataplane
from controller.loop import Round
from controller.machine import machine_for
from controller.metrics import Metrics
from controller.reconcile import Reconciler
from controller.reload_gate import ReloadGate
from controller.remembered import saved_in
from controller.status import StatusStore
from controller.templates import TemplateFile
from models.observed import Observed
from models.settings import Bind, ProxySettings
from models.snapshot import Snapshot, SwarmService
from render.files import Rendered

MUTE = "[ALERT]    (1) : something is wrong"


@dataclass
class Counted:
    """A real dataplane that counts how often it is asked.

    A ``mute`` one does not say where anything is wrong, a ``blind`` one finds nothing wrong with a part.
    """

    inner: HAProxyDataplane
    mute: bool = False
    blind: bool = False
    checks: int = 0
    applied: int = 0

    async def observe(self) -> Observed:
        return await self.inner.observe()

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        self.applied += 1
        return await self._said(self.inner.apply(plan, rendered))

    async def check(self, rendered: Rendered) -> None:
        self.checks += 1
        if self.blind:
            return
        await self._said(self.inner.check(rendered))

    async def _said(self, work):  # noqa: ANN001, ANN202 - whatever it is
        try:
            return await work
        except ConfigRejectedError as error:
            if not self.mute:
                raise
            raise ConfigRejectedError(MUTE, output=MUTE) from error


@dataclass
class World:
    """What a source says, and what is around the proxy."""

    services: dict[str, SwarmService] = field(default_factory=dict)
    templates: dict[str, TemplateFile] = field(default_factory=dict)

    async def snapshot(self) -> Snapshot:
        return snapshot(*self.services.values())

    async def watch(self, _mark_dirty: Callable[[str], None]) -> None:
        await asyncio.Event().wait()

    async def surroundings(self, _needs: Needs) -> Surroundings:
        return Surroundings(templates=dict(self.templates))


@dataclass
class Proxy:
    """A reconciler with its HAProxy; ``origin`` is the port of the services, ``port`` that of the proxy."""

    binary: Path
    folder: Path
    origin: int
    port: int = field(default_factory=free_port)
    world: World = field(default_factory=World)

    def __post_init__(self) -> None:
        self.settings = ProxySettings(
            state_dir=self.folder / "state", run_dir=self.folder / "run", default_ports=(Bind(port=self.port),)
        )
        self.start_controller()

    def start_controller(self) -> None:
        """Start a controller; the one before is gone, and HAProxy goes on."""
        dataplane = HAProxyDataplane(self.binary, state_dir=self.settings.state_dir, run_dir=self.settings.run_dir)
        self.haproxy = Counted(dataplane)
        self.memory = saved_in(self.folder / "last-good.jsonl", self.settings.label_rules)
        self.reconciler = Reconciler(
            memory=self.memory,
            source=self.world,
            dataplane=self.haproxy,
            settings=self.settings,
            machine=machine_for(self.settings, dataplane),
            read_surroundings=self.world.surroundings,
            status=StatusStore(now=lambda: datetime.now(UTC)),
            metrics=Metrics(),
            gate=ReloadGate(quiet=0, longest=0, interval=0),
        )

    async def restart_controller(self) -> None:
        """Replace the controller by a new one."""
        await self.memory.close()
        self.haproxy.inner.close()
        self.start_controller()

    def put(self, name: str, labels: Mapping[str, str], **more: object) -> None:
        """Add or change a service; it answers from this machine."""
        known = self.world.services.get(name)
        more.setdefault("previous_labels", known.labels if known else None)
        labels = df(labels) | self.base_labels()
        self.world.services[name] = service(name, **more).model_copy(update={"labels": labels})

    def base_labels(self) -> dict[str, str]:
        """Return the labels that every service has."""
        return df({"port": str(self.origin), "outboundHostname": "127.0.0.1"})

    def be(self, name: str) -> str:
        """Return the name of a service's backend."""
        return f"{name}-be{self.origin}_0"

    def drop(self, name: str) -> None:
        """Remove a service."""
        del self.world.services[name]

    async def converge(self) -> None:
        """Reconcile once."""
        await self.reconciler.reconcile(Round(resync=False, dirty_since=asyncio.get_running_loop().time()))

    async def status(self, path: str) -> int:
        """Return the status of the answer to a request."""
        return (await asyncio.to_thread(get, self.port, path))[0]

    def told(self, name: str, kind: str = "Programmed") -> tuple[str, str]:
        """Return the reason and the message of a condition."""
        facts = self.reconciler.status.conditions[name]
        return next((fact.reason.value, fact.message) for fact in facts if fact.type == kind)


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
async def proxy(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Proxy]:
    """A proxy of each version of HAProxy in turn, which does not run yet."""
    with http_server("hello") as origin:
        made = Proxy(haproxy_binary(request.param), folder, origin)
        yield made
        await made.memory.close()
        made.haproxy.inner.close()
        await made.haproxy.inner.process.stop()
