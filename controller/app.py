"""The composition root: builds the objects of each role, runs them, and stops them in order."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import structlog
import uvicorn
from fastapi import FastAPI

from controller.asked import AskBack, Word
from controller.backoff import Backoff
from controller.by_settings import certificates_of, source_of
from controller.channel import ChannelFiles, serving_context
from controller.environment import SECRETS_DIR, notices
from controller.errors import TemporaryError
from controller.haproxy.binary import find_haproxy
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.process import ended
from controller.haproxy_metrics import HAProxyMetrics
from controller.http.answers.probes import Readiness
from controller.http.listener_api import Gate, make_listener_app
from controller.http.proxy_api import add_asked, make_proxy_app
from controller.http.serving import make_server
from controller.interfaces import (
    Declarations,
    ListenerInterfaces,
    add_interfaces,
    add_pages,
    read_declarations,
    writers_of,
)
from controller.loop import ControlLoop, Pace, Result, Round
from controller.machine import machine_for
from controller.memory import give_back, keep_large_blocks_apart
from controller.metrics import ListenerMetrics, Metrics
from controller.own_apis import ApiNames
from controller.places import last_good_in
from controller.published import Published
from controller.reconcile import Reconciler
from controller.remembered import saved_in
from controller.sources.docker_api import DockerSource
from controller.sources.guard import GuardedSource
from controller.sources.health import HealthySource
from controller.sources.listener import ListenerSource
from controller.status import StatusStore
from controller.surroundings import Around, check_interfaces, read_surroundings
from controller.template_folder import TemplateFolder
from models.settings import ListenerSettings, ProxySettings
from models.snapshot import Snapshot

log = structlog.get_logger()

_WATCH_HAPROXY = 1.0
"""Seconds between two looks at whether HAProxy still runs."""


async def run_proxy(settings: ProxySettings, *, secrets_dir: Path = SECRETS_DIR) -> None:
    """Converge the HAProxy beside this process to the services, until a signal asks to stop; then drain it.

    Raises:
        PermanentError: the settings cannot be used on this machine.
    """
    for notice in notices(secrets_dir):
        log.warning("A variable has no effect", **notice)
    check_interfaces(settings)
    _take_in_first_world()
    metrics = Metrics()
    status = StatusStore(now=lambda: datetime.now(UTC))
    word = Word()
    inner = source_of(settings, word)
    listeners = inner if isinstance(inner, ListenerSource) else None
    guarded = GuardedSource(inner, settings.state_dir)
    declared = read_declarations(guarded, settings, os.environ, secrets_dir, listeners=listeners)
    source = declared.source
    dataplane = _dataplane(settings)
    certificates = certificates_of(settings, secrets_dir)
    around = Around(secrets_dir, certificates, TemplateFolder(settings.templates_dir), ApiNames.of(settings))
    convergence = _Convergence(settings, declared, status)
    memory = saved_in(last_good_in(settings.state_dir), settings.label_rules)
    reconciler = Reconciler(
        source=source,
        dataplane=dataplane,
        settings=settings,
        machine=machine_for(settings, dataplane),
        read_surroundings=partial(read_surroundings, around),
        status=status,
        metrics=metrics,
        on_converged=convergence.note,
        memory=memory,
        staleness=partial(_staleness, source),
    )
    loop = ControlLoop(reconciler.reconcile, pace=Pace(resync=settings.resync_interval), backoff=_patience())
    staleness = partial(_staleness, source)
    metrics.watch_staleness(staleness)

    def readiness() -> Readiness:
        return _proxy_readiness(convergence.first.is_set(), source)

    app = make_proxy_app(status, metrics, readiness, HAProxyMetrics(dataplane.statistics))
    live = add_pages(
        app,
        settings,
        declared,
        dataplane,
        status=status,
        history=reconciler.history,
        readiness=readiness,
        staleness=staleness,
    )
    add_asked(app, word)
    add_interfaces(
        app,
        settings,
        declared,
        status,
        dataplane,
        converged=convergence.first.is_set,
        mark_dirty=loop.mark_dirty,
        forget=reconciler.forget_observed,
    )
    try:
        await _run_until_stopped(
            {"PORT": make_server(app, ip=settings.ip, port=settings.port)},
            loop.run(),
            source.watch(loop.mark_dirty),
            certificates.watch(loop.mark_dirty),
            _watch_haproxy(dataplane, convergence.first, reconciler, loop, metrics),
            on_stop=live.close,
        )
        log.info("Draining HAProxy", seconds=settings.drain_timeout)
        await dataplane.process.stop(settings.drain_timeout)
    finally:
        dataplane.close()
        await memory.close()
        await declared.close()
    log.info("Stopped")


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
            _settle()
        self.first.set()
        listeners = self.declared.listeners
        if listeners is not None:
            listeners.programmed = self.declared.source.origin(snapshot)
            listeners.conditions = self.status.digest


async def run_listener(settings: ListenerSettings, *, secrets_dir: Path = SECRETS_DIR) -> None:
    """Publish the Swarm's services to the proxies, until a signal asks to stop.

    Raises:
        PermanentError: the settings cannot be used.
    """
    _take_in_first_world()
    metrics = ListenerMetrics()
    published = Published()
    metrics.watch_replicas(published.replicas)
    if settings.without_effect:
        log.warning("Variables that change nothing", **settings.without_effect)
    docker = DockerSource(
        settings.engine,
        settings.df_notify_label,
        with_declared=writers_of(settings).enabled,
        slow_poll=settings.polling_interval,
        events=settings.event_types,
    )
    source = GuardedSource(docker)
    interfaces = ListenerInterfaces(settings, docker, published, metrics, secrets=secrets_dir)
    docker.events_lost = interfaces.events_lost

    async def publish(started: Round) -> Result:
        with metrics.stage("source"):
            snapshot = await source.snapshot()
        is_first = published.etag is None
        if published.publish(snapshot):
            log.info("Published", causes=started.causes, services=len(snapshot.services), etag=published.etag)
        if is_first:
            _settle()
        await interfaces.look(snapshot)
        return Result()

    loop = ControlLoop(publish, pace=Pace(resync=settings.resync_interval), backoff=_patience())
    metrics.watch_staleness(partial(_staleness, source))
    ask_back = AskBack(settings.proxy_port)
    gate = Gate(
        settings.listener_token,
        partial(docker.proxy_addresses, settings.service_name),
        has_asked=ask_back.has_asked,
        tls_port=settings.listener_tls_port if settings.has_tls else None,
    )
    app = make_listener_app(published, gate, metrics, lambda: _listener_readiness(published, source))
    interfaces.add_to(app, gate, loop.mark_dirty)
    servers = _listener_servers(app, settings)
    try:
        await _run_until_stopped(
            servers,
            loop.run(),
            source.watch(loop.mark_dirty),
            interfaces.notifier.run(),
            on_stop=published.close,
        )
    finally:
        await ask_back.close()
        await source.close()
    log.info("Stopped")


def _listener_servers(app: FastAPI, settings: ListenerSettings) -> dict[str, uvicorn.Server]:
    """Return what serves the listener's API, each with the variable that its port comes from."""
    servers = {"PORT": make_server(app, ip=settings.ip, port=settings.port)}
    if files := ChannelFiles.of(settings):
        tls = serving_context(files)
        servers["LISTENER_TLS_PORT"] = make_server(app, ip=settings.ip, port=settings.listener_tls_port, tls=tls)
    return servers


_SELDOM = (50_000, 50, 100)
_FIRST_WORLD = (1_000_000, 50, 100)
"""When Python looks for reference cycles (`gc.set_threshold`)."""


def _take_in_first_world() -> None:
    """Make ready for what comes by the hundred thousand, and all to stay: nothing of it need be searched for cycles."""
    keep_large_blocks_apart()
    gc.set_threshold(*_FIRST_WORLD)


def _settle() -> None:
    """Have Python look for reference cycles seldom: walking through all that is known of 5,000 services takes a while.

    Hardly anything here is in a cycle; everything else is let go of at once. What is there by now is not walked through
    any more, and what was only for taking it in is given back.
    """
    gc.freeze()
    gc.set_threshold(*_SELDOM)
    give_back()


def _patience() -> Backoff:
    """Return a backoff for rounds: short, since whoever was away is to be noticed soon when it is back."""
    return Backoff(longest=5.0)


def _dataplane(settings: ProxySettings) -> HAProxyDataplane:
    settings.state_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    return HAProxyDataplane(
        find_haproxy(settings.haproxy_binary),
        state_dir=settings.state_dir,
        run_dir=settings.run_dir,
        terminate_on_reload=settings.terminate_on_reload,
    )


def _staleness(source: HealthySource) -> float:
    return time.monotonic() - source.last_success if source.last_success is not None else float("inf")


def _proxy_readiness(converged: bool, source: HealthySource) -> Readiness:  # noqa: FBT001 - the only fact there is
    if converged:
        return Readiness(ready=True, message=source.error or "")
    return Readiness(ready=False, message=source.error or "the first convergence is not complete yet")


def _listener_readiness(published: Published, source: GuardedSource) -> Readiness:
    return Readiness(ready=bool(published.etag), message=source.error or "")


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


async def _run_until_stopped(
    servers: Mapping[str, uvicorn.Server],
    *work: Coroutine[Any, Any, None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Run everything until SIGTERM or SIGINT, or until a part fails, which ends all.

    ``servers`` are the ones of the API, by the variable that their port comes from.
    """
    async with _stop_signal() as stopped, asyncio.TaskGroup() as group:
        # First what answers: a listener that is asked asks back.
        serving = [group.create_task(_serve(server, variable)) for variable, server in servers.items()]
        tasks = [group.create_task(one) for one in work]
        await stopped.wait()
        log.info("Stopping")
        on_stop()
        for task in tasks:
            task.cancel()
        for server in servers.values():
            server.should_exit = True
        await asyncio.wait(serving)


async def _serve(server: uvicorn.Server, variable: str) -> None:
    """Serve until asked to exit.

    Raises:
        TemporaryError: the port is taken.
    """
    try:
        await server.serve()
    except SystemExit:  # how the server says that it could not listen; it has logged why
        config = server.config
        words = f"the API cannot listen on {config.host}:{config.port}; set {variable} to a free port"
        raise TemporaryError(words) from None


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[asyncio.Event]:
    """Give an event that is set by SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
