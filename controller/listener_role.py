"""The composition root of a listener: builds its objects, runs them, and stops them in order."""

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog
import uvicorn
from fastapi import FastAPI

from controller.ask_back import AskBack
from controller.channel import ChannelFiles, serving_context
from controller.environment import SECRETS_DIR
from controller.http.answers.probes import Readiness
from controller.http.listener_api import Gate, make_listener_app
from controller.http.serving import make_server
from controller.http.writers import writers_of
from controller.listener_interfaces import ListenerInterfaces
from controller.loop import ControlLoop, Pace, Result, Round
from controller.memory import settle, take_in_first_world
from controller.metrics import ListenerMetrics
from controller.published import Published
from controller.running import patience, run_until_stopped, staleness_of
from controller.sources.docker_api import DockerSource
from controller.sources.guard import GuardedSource
from models.settings import ListenerSettings

log = structlog.get_logger()


async def run_listener(settings: ListenerSettings, *, secrets_dir: Path = SECRETS_DIR) -> None:
    """Publish the Swarm's services to the proxies, until a signal asks to stop.

    Raises:
        PermanentError: the settings cannot be used.
    """
    take_in_first_world()
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
    publication = _Publication(source, published, interfaces, metrics)
    loop = ControlLoop(publication.publish, pace=Pace(resync=settings.resync_interval), backoff=patience())
    metrics.watch_staleness(partial(staleness_of, source))
    ask_back = AskBack(settings.proxy_port)
    gate = Gate(
        settings.listener_token,
        partial(docker.proxy_addresses, settings.service_name),
        has_asked=ask_back.has_asked,
        tls_port=settings.listener_tls_port if settings.has_tls else None,
    )
    app = make_listener_app(published, gate, metrics, lambda: _readiness(published, source))
    interfaces.add_to(app, gate, loop.mark_dirty)
    servers = _servers(app, settings)
    try:
        await run_until_stopped(
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


@dataclass(frozen=True, slots=True)
class _Publication:
    """From what the source says to what proxies are told."""

    source: GuardedSource
    published: Published
    interfaces: ListenerInterfaces
    metrics: ListenerMetrics

    async def publish(self, started: Round) -> Result:
        """Read the source, and publish what is new."""
        with self.metrics.stage("source"):
            snapshot = await self.source.snapshot()
        is_first = self.published.etag is None
        if self.published.publish(snapshot):
            log.info("Published", causes=started.causes, services=len(snapshot.services), etag=self.published.etag)
        if is_first:
            settle()
        await self.interfaces.look(snapshot)
        return Result()


def _servers(app: FastAPI, settings: ListenerSettings) -> dict[str, uvicorn.Server]:
    """Return what serves the listener's API, each with the variable that its port comes from."""
    servers = {"PORT": make_server(app, ip=settings.ip, port=settings.port)}
    if files := ChannelFiles.of(settings):
        tls = serving_context(files)
        servers["LISTENER_TLS_PORT"] = make_server(app, ip=settings.ip, port=settings.listener_tls_port, tls=tls)
    return servers


def _readiness(published: Published, source: GuardedSource) -> Readiness:
    return Readiness(ready=bool(published.etag), message=source.error or "")
