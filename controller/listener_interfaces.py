"""Puts together what lies between a listener's loop and those around it: DFSL's paths, notifications, declaring."""

from collections.abc import Callable
from pathlib import Path

import structlog
from fastapi import FastAPI

from controller.errors import SourceUnavailableError
from controller.http.listener_api import Gate
from controller.http.listener_declaring import ListenerDeclaring, add_listener_declaring
from controller.http.swarm_listener_api import Listener, add_swarm_listener_api
from controller.http.writers import writers_of
from controller.metrics import SharedMetrics
from controller.notifications.messages import Vocabulary, is_running
from controller.notifications.metrics import DockerFlowMetrics
from controller.notifications.nodes import NO_HOSTNAMES, Hostnames, NodeNames
from controller.notifications.notifier import Notifier
from controller.notifications.targets import read_targets
from controller.published import Published
from controller.sources.docker_api import DockerSource
from controller.swarm_keeper import SwarmKeeper
from models.settings import ListenerSettings
from models.snapshot import Snapshot

log = structlog.get_logger()


class ListenerInterfaces:
    """DFSL's paths and notifications, and the declaring of services, on a listener."""

    def __init__(
        self,
        settings: ListenerSettings,
        docker: DockerSource,
        published: Published,
        metrics: SharedMetrics,
        *,
        secrets: Path,
    ) -> None:
        self._docker = docker
        self._published = published
        self._event_types = settings.event_types
        self._metrics = DockerFlowMetrics(metrics.registry)
        self._vocabulary = Vocabulary(
            settings.df_notify_label,
            settings.df_service_name_prefix,
            task_addresses=settings.df_node_ip_info_includes_task_address,
        )
        self._names = NodeNames(docker.nodes, self._metrics.failed) if settings.df_include_node_ip_info else None
        self._writers = writers_of(settings, by_tls_only=settings.has_tls)
        self.notifier = Notifier(
            read_targets(settings, secrets),
            self._vocabulary,
            self._metrics,
            settings.state_dir / "notifications.json",
            interval=settings.df_retry_interval,
            retries=settings.df_retry > 0,
            immediately=settings.df_notify_create_service_immediately,
        )

    def add_to(self, app: FastAPI, gate: Gate, mark_dirty: Callable[[str], None]) -> None:
        """Add the paths to the listener's application."""
        listener = Listener(
            self._published,
            gate,
            self._created,
            self._docker.nodes,
            self.notifier.forget,
            self._metrics.failed,
        )
        add_swarm_listener_api(app, listener)
        declaring = ListenerDeclaring(SwarmKeeper(self._docker), self._published, mark_dirty)
        add_listener_declaring(app, declaring, self._writers)

    async def look(self, snapshot: Snapshot) -> None:
        """Have others told what is new; what cannot be read of the nodes is told another time."""
        self.notifier.look_at_services(snapshot, await self._hostnames(snapshot))
        if not self.notifier.wants_nodes:
            return
        try:
            self.notifier.look_at_nodes(await self._docker.nodes())
        except SourceUnavailableError as error:
            self._metrics.failed("ListenForNodeEvents")
            log.debug("Nodes cannot be read", error=str(error))

    def events_lost(self) -> None:
        """Count that the stream of events, which DFSL had one of for services and one for nodes, cannot be had."""
        for type_, operation in (("service", "ListenForServiceEvents"), ("node", "ListenForNodeEvents")):
            if type_ in self._event_types:
                self._metrics.failed(operation)

    async def _hostnames(self, snapshot: Snapshot) -> Hostnames:
        return await self._names.of(snapshot) if self._names is not None else NO_HOSTNAMES

    async def _created(self, snapshot: Snapshot) -> list[dict[str, str]]:
        """Return what is said of the services that run."""
        hostnames = await self._hostnames(snapshot)
        return [self._vocabulary.created(each, hostnames) for each in snapshot.services if is_running(each)]
