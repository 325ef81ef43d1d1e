"""A rig: the proxy's reconcile as its composition root builds it, between a Docker Engine and a real HAProxy.

It runs in this process, so that each pass can be taken apart: the time of every stage, the commands that HAProxy was
sent, the bytes that were written to files. What the controller says of itself (its stages) is what is shown; two
stages that it does not tell apart are told apart by measuring the functions it calls.
"""

import asyncio
import gc
import re
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import Engine, engine
from benchmarks.world import World
from controller.by_settings import read_declarations
from controller.certificates import CertificateStore
from controller.haproxy.commands import Command
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.runtime import Session, ask_master
from controller.loop import Round
from controller.machine import machine_for
from controller.metrics import Metrics
from controller.own_apis import ApiNames
from controller.reconcile import Reconciler
from controller.sources.docker_api import DockerSource
from controller.sources.guard import GuardedSource
from controller.sources.health import HealthySource
from controller.status import StatusStore
from controller.surroundings import Around, read_surroundings
from controller.template_folder import TemplateFolder
from models.settings import Bind, ProxySettings

_INSIDE = {"judge": "_judge_world", "build": "_build"}
"""Stages that the controller counts as one (``desire``), with the parts of the `Reconciler` that they are."""
_SELDOM = (50_000, 50, 100)
"""When the proxy has Python look for reference cycles (`controller.memory`)."""
_LIMIT = 120.0
_NEVER = 3600.0
_QUIET = 0.05
"""Seconds without a further event after which all are taken to have come."""


@dataclass(slots=True)
class Pass:
    """What it took until HAProxy ran the world: one reconcile, or several if a reload had to wait for others.

    Times are in seconds; ``cpu`` is this process's own, ``stages`` are by name. ``written`` are bytes written to files,
    ``read`` bytes that were read from sockets and files.
    """

    seconds: float = 0.0
    cpu: float = 0.0
    stages: dict[str, float] = field(default_factory=dict)
    commands: int = 0
    sent: int = 0
    written: int = 0
    reloads: int = 0
    reconciles: int = 0
    outcome: str = ""


class StageMetrics(Metrics):
    """The controller's metrics, which also remember how long each stage took in this pass."""

    def __init__(self) -> None:
        super().__init__()
        self.spent: defaultdict[str, float] = defaultdict(float)
        self.outcomes: list[str] = []

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure a stage."""
        with super().stage(name), timed(self.spent, name):
            yield

    def reconciled(self, applied: Any) -> None:  # noqa: ANN401 - as it is there
        """Note how a reconcile ended."""
        super().reconciled(applied)
        self.outcomes.append(applied.outcome.value)


@contextmanager
def timed(spent: defaultdict[str, float], name: str) -> Iterator[None]:
    """Add the seconds that the block takes to a name."""
    began = time.perf_counter()
    try:
        yield
    finally:
        spent[name] += time.perf_counter() - began


class Rig:
    """A reconciler with its source, which follows the engine's events, and its HAProxy; `converge` runs a pass.

    ``origin`` is the port of the services, ``files`` is where HAProxy's configuration is.
    """

    def __init__(
        self,
        engine: Engine,
        source: HealthySource,
        reconciler: Reconciler,
        metrics: StageMetrics,
        dataplane: HAProxyDataplane,
        *,
        origin: int,
        files: Path,
    ) -> None:
        self.engine = engine
        self.reconciler = reconciler
        self.origin = origin
        self.files = files
        self._source = source
        self._metrics = metrics
        self._dataplane = dataplane
        self._events = 0
        self._counts: Counter[str] = Counter()

    async def change(self, command: str, *arguments: object) -> None:
        """Have the engine do something, and wait until the source has been told."""
        events = self._events
        self.engine.call(command, *arguments)
        while self._events == events:  # noqa: ASYNC110 - it is the source that is told
            await asyncio.sleep(_QUIET)
        while events != self._events:
            events = self._events
            await asyncio.sleep(_QUIET)

    async def follow(self) -> None:
        """Follow the engine's events."""

        def note(reason: str) -> None:
            self._events += reason != "poll"

        await self._source.watch(note)

    async def converge(self, *, resync: bool = False, doubt: bool = False) -> Pass:
        """Reconcile until HAProxy runs what the Swarm says, and tell what it took; waiting is not counted.

        ``resync`` has HAProxy asked anew what it runs, ``doubt`` has the Swarm read as a whole.
        """
        self.engine.call("warm")
        if doubt:
            self._source.doubt()
        self._metrics.spent.clear()
        self._metrics.outcomes.clear()
        done, reloads = Pass(), await self._reloads()
        gc.collect()
        written, counts = _written(), self._counts.copy()
        while not done.outcome:
            began, cpu = time.perf_counter(), time.process_time()
            result = await self.reconciler.reconcile(
                Round(resync=resync, dirty_since=asyncio.get_running_loop().time())
            )
            done.seconds += time.perf_counter() - began
            done.cpu += time.process_time() - cpu
            done.reconciles += 1
            done.outcome = ",".join(self._metrics.outcomes)
            if not done.outcome:
                await asyncio.sleep(result.requeue_after or 0)
        done.stages = dict(self._metrics.spent)
        done.written = _written() - written
        done.commands, done.sent = (self._counts[name] - counts[name] for name in ("commands", "sent"))
        done.reloads = await self._reloads() - reloads
        if done.outcome == "runtime" and not done.commands:
            raise RuntimeError("the commands that HAProxy is sent are not counted any more")
        return done

    async def _reloads(self) -> int:
        """Return how often HAProxy's master has loaded its configuration anew, as it says itself."""
        socket = self._dataplane.runtime_socket.with_name("master.sock")
        if not socket.exists():
            return 0
        found = re.search(r"^\d+\s+master\s+(\d+)", await ask_master(socket, "show proc"), re.MULTILINE)
        return int(found[1]) if found else 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        """Count the commands that are sent on HAProxy's runtime socket while the block runs."""
        session_class: Any = Session
        execute, counts = Session.execute, self._counts

        async def counted(session: Session, commands: Sequence[Command]) -> list[str]:
            counts["commands"] += len(commands)
            counts["sent"] += sum(len(each.text) + len(each.payload or "") + 1 for each in commands)
            return await execute(session, commands)

        session_class.execute = counted
        try:
            yield
        finally:
            session_class.execute = execute


@asynccontextmanager
async def rig(context: Context, world: World, size: int, *, ports: tuple[int, int] | None = None) -> AsyncIterator[Rig]:
    """Make a rig with a world; HAProxy does not run before the first pass.

    ``ports`` are that of the services and that of the proxy, any free ones by default.
    """
    with scratch() as folder:
        origin, http = ports or free_ports(2)
        state, run = folder / "state", folder / "run"
        state.mkdir()
        settings = ProxySettings(state_dir=state, run_dir=run, default_ports=(Bind(port=http),), certs_dir=folder)
        dataplane = HAProxyDataplane(context.haproxy, state_dir=state, run_dir=run, load_limit=_LIMIT)
        metrics = StageMetrics()
        with engine(folder / "docker.sock", world, size, origin) as docker:
            source = DockerSource(docker.docker_host, timeout=_LIMIT, slow_poll=_NEVER)
            guarded = GuardedSource(source, state)
            declared = read_declarations(guarded, settings, {}, folder, listeners=None)
            certificates = CertificateStore(folder / "certs", folder / "secrets", state)
            reconciler = Reconciler(
                source=declared.source,
                dataplane=dataplane,
                settings=settings,
                machine=machine_for(settings, dataplane),
                read_surroundings=partial(
                    read_surroundings,
                    Around(
                        folder / "secrets",
                        certificates,
                        TemplateFolder(folder / "templates"),
                        ApiNames.of(settings),
                    ),
                ),
                status=StatusStore(now=lambda: datetime.now(UTC)),
                metrics=metrics,
            )
            _tell_inside(reconciler, metrics.spent)
            made = Rig(
                docker,
                declared.source,
                reconciler,
                metrics,
                dataplane,
                origin=origin,
                files=state / "haproxy" / "current",
            )
            following = asyncio.create_task(made.follow())
            try:
                with made.counting(), _collecting_seldom():
                    yield made
            finally:
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                dataplane.close()
                await dataplane.process.stop()
                await declared.close()


@contextmanager
def _collecting_seldom() -> Iterator[None]:
    """Look for reference cycles as seldom as the proxy does."""
    before = gc.get_threshold()
    gc.set_threshold(*_SELDOM)
    try:
        yield
    finally:
        gc.set_threshold(*before)


def _tell_inside(reconciler: Reconciler, spent: defaultdict[str, float]) -> None:
    """Have the parts of `_INSIDE` tell how long they take, those of them that there are."""

    def measured(stage: str, part: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:  # noqa: ANN401 - of the part
            with timed(spent, stage):
                return part(*arguments, **options)

        return call

    for stage, name in _INSIDE.items():
        if hasattr(reconciler, name):
            setattr(reconciler, name, measured(stage, getattr(reconciler, name)))


def _written() -> int:
    """Return the bytes that this process has written to files so far; what goes to sockets is not among them."""
    lines = Path("/proc/self/io").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("wchar"))
