"""The composition root of a proxy: builds its objects, runs them, and stops them in order."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import structlog
from starlette.types import ASGIApp

from controller.asked import Word
from controller.by_settings import Declarations, certificates_of, listeners_among, read_declarations, source_of
from controller.environment import SECRETS_DIR, notices
from controller.errors import TemporaryError
from controller.haproxy.binary import find_haproxy
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.process import ended
from controller.http.answers.probes import Readiness
from controller.http.front import Front
from controller.http.serving import make_server
from controller.loop import ControlLoop, Pace, Result, Round
from controller.machine import machine_for
from controller.memory import settle, take_in_first_world
from controller.metrics import Metrics
from controller.own_apis import ApiNames
from controller.places import last_good_in
from controller.proxy_parts import ProxyParts
from controller.reconcile import Reconciler
from controller.remembered import saved_in
from controller.running import patience, run_until_stopped, staleness_of
from controller.sources.guard import GuardedSource
from controller.status import StatusStore
from controller.surroundings import Around, check_interfaces, read_surroundings
from controller.template_folder import TemplateFolder
from models.settings import ProxySettings
from models.snapshot import Snapshot

log = structlog.get_logger()

_WATCH_HAPROXY = 1.0
"""Seconds between two looks at whether HAProxy still runs."""
_LONGEST_WITHOUT_API = 5.0
"""Seconds after which the API is there, whatever else there is to do."""


async def run_proxy(settings: ProxySettings, *, secrets_dir: Path = SECRETS_DIR) -> None:
    """Converge the HAProxy beside this process to the services, until a signal asks to stop; then drain it.

    Raises:
        PermanentError: the settings cannot be used on this machine.
    """
    for notice in notices(secrets_dir):
        log.warning("A variable has no effect", **notice)
    check_interfaces(settings)
    take_in_first_world()
    proxy = _Proxy(settings, secrets_dir)
    try:
        await proxy.run()
    finally:
        await proxy.close()
    log.info("Stopped")


class _Proxy:
    """The objects that a proxy consists of, made in the order in which they need each other."""

    def __init__(self, settings: ProxySettings, secrets_dir: Path) -> None:
        self._settings = settings
        self._metrics = Metrics()
        self._status = StatusStore(now=lambda: datetime.now(UTC))
        self._word = Word()
        self._declared = _declarations(settings, self._word, secrets_dir)
        self._source = self._declared.source
        self._staleness = partial(staleness_of, self._source)
        self._spare = _SpareTime()
        self._dataplane = _dataplane(settings, self._spare)
        self._certificates = certificates_of(settings, secrets_dir)
        templates = TemplateFolder(settings.templates_dir)
        around = Around(secrets_dir, self._certificates, templates, ApiNames.of(settings))
        self._convergence = _Convergence(settings, self._declared, self._status)
        self._memory = saved_in(last_good_in(settings.state_dir), settings.label_rules)
        self._reconciler = Reconciler(
            source=self._source,
            dataplane=self._dataplane,
            settings=settings,
            machine=machine_for(settings, self._dataplane),
            read_surroundings=partial(read_surroundings, around),
            status=self._status,
            metrics=self._metrics,
            on_converged=self._convergence.note,
            memory=self._memory,
            staleness=self._staleness,
        )
        self._loop = ControlLoop(
            self._spare.after(self._reconciler.reconcile),
            pace=Pace(resync=settings.resync_interval),
            backoff=patience(),
        )
        self._metrics.watch_staleness(self._staleness)

    async def run(self) -> None:
        """Run it until a signal asks to stop, and drain HAProxy."""
        settings, mark_dirty = self._settings, self._loop.mark_dirty
        front = Front(self._word, self._readiness)
        await run_until_stopped(
            {"PORT": make_server(front, ip=settings.ip, port=settings.port)},
            self._loop.run(),
            self._source.watch(mark_dirty),
            self._certificates.watch(mark_dirty),
            _watch_haproxy(self._dataplane, self._convergence.first, self._reconciler, self._loop, self._metrics),
            _open(front, self._parts, self._spare),
            on_stop=front.close,
        )
        log.info("Draining HAProxy", seconds=settings.drain_timeout)
        await self._dataplane.stop(settings.drain_timeout)

    async def close(self) -> None:
        """Let go of HAProxy, and finish what is being written."""
        self._dataplane.close()
        await self._memory.close()
        await self._declared.close()

    @property
    def _parts(self) -> ProxyParts:
        """What there is to be shown and steered from outside."""
        return ProxyParts(
            settings=self._settings,
            declarations=self._declared,
            dataplane=self._dataplane,
            status=self._status,
            metrics=self._metrics,
            history=self._reconciler.history,
            readiness=self._readiness,
            staleness=self._staleness,
            converged=self._convergence.first.is_set,
            mark_dirty=self._loop.mark_dirty,
            forget=self._reconciler.forget_observed,
        )

    def _readiness(self) -> Readiness:
        if self._convergence.first.is_set():
            return Readiness(ready=True, message=self._source.error or "")
        return Readiness(ready=False, message=self._source.error or "the first convergence is not complete yet")


def _declarations(settings: ProxySettings, word: Word, secrets_dir: Path) -> Declarations:
    """Return the services of the world and those that are declared here, guarded against accidents."""
    inner = source_of(settings, word)
    listeners = listeners_among(inner, settings)
    guarded = GuardedSource(inner, settings.state_dir)
    return read_declarations(guarded, settings, os.environ, secrets_dir, listeners=listeners)


@dataclass(slots=True)
class _Convergence:
    """What there is to do each time HAProxy runs the whole world; ``first`` is set from the first time on."""

    settings: ProxySettings
    declared: Declarations
    status: StatusStore
    first: asyncio.Event = field(default_factory=asyncio.Event)

    def note(self, snapshot: Snapshot) -> None:
        """Log the first time, and tell the listeners what this replica has programmed."""
        if not self.first.is_set():
            log.info("Ready", services=len(snapshot.services), ports=[bind.port for bind in self.settings.binds])
            settle()
        self.first.set()
        listeners = self.declared.listeners
        if listeners is not None:
            listeners.programmed = self.declared.source.origin(snapshot)
            listeners.conditions = self.status.digest


async def _open(front: Front, parts: ProxyParts, spare: "_SpareTime") -> None:
    """Make the API when there is time for it."""
    await spare.wait()
    front.open(*await asyncio.to_thread(_api_of, parts))


def _api_of(parts: ProxyParts) -> tuple[ASGIApp, Callable[[], None]]:
    from controller.proxy_interfaces import proxy_api  # noqa: PLC0415 - takes as long as a good part of all the rest

    return proxy_api(parts)


class _SpareTime:
    """The first time at which this process has to wait for HAProxy, so that something else costs nobody anything.

    That is when HAProxy loads the first configuration. It is there at the latest after the first round, which may find
    nothing to do, or after some seconds, if the services cannot be read.
    """

    def __init__(self) -> None:
        self._event = asyncio.Event()

    def begin(self) -> None:
        """Say that it is there."""
        self._event.set()

    def after(self, reconcile: Callable[[Round], Awaitable[Result]]) -> Callable[[Round], Awaitable[Result]]:
        """Return the function, after which it is there."""

        async def reconciled(started: Round) -> Result:
            try:
                return await reconcile(started)
            finally:
                self.begin()

        return reconciled

    async def wait(self) -> None:
        """Wait for it."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LONGEST_WITHOUT_API):
                await self._event.wait()


def _dataplane(settings: ProxySettings, spare: _SpareTime) -> HAProxyDataplane:
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return HAProxyDataplane(
        find_haproxy(settings.haproxy_binary),
        state_dir=settings.state_dir,
        run_dir=settings.run_dir,
        terminate_on_reload=settings.terminate_on_reload,
        on_load=spare.begin,
    )


async def _watch_haproxy(
    dataplane: HAProxyDataplane, converged: asyncio.Event, reconciler: Reconciler, loop: ControlLoop, metrics: Metrics
) -> None:
    """Notice when HAProxy is gone or was started anew behind our back, and ask for a reconcile."""
    await converged.wait()
    worker: int | None = None
    pause = 0.0
    while True:
        is_gone = await ended(worker, within=pause)
        pause = _WATCH_HAPROXY
        try:
            processes = await dataplane.process.processes()
        except TemporaryError:
            continue
        current = processes.worker if processes else None
        if is_gone and current in {worker, None}:  # the master may have yet to notice
            log.warning("HAProxy's worker is gone", pid=worker)
            current = None
        if current is None or worker not in (None, current):
            reconciler.forget_observed()
            loop.mark_dirty("HAProxy's worker is gone or another one")
        worker = current
        metrics.old_workers(len(processes.old_workers) if processes else 0)
