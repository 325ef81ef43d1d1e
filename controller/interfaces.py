"""Puts together what lies between a role's loop and those around it: variables, DFP's and DFSL's API, notifications."""

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
from fastapi import FastAPI

from controller.certificate_keeping import CertificateKeeper, FolderCertificates, SwarmCertificates
from controller.certificates import put_folder
from controller.channel import ChannelFiles
from controller.declarations import FileKeeper, Keeper
from controller.environment import service_variables
from controller.errors import SourceUnavailableError
from controller.forwarding import ForwardingKeeper
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.exporter import Exporter
from controller.history import History
from controller.http.answering import Distribution
from controller.http.answers.probes import Readiness
from controller.http.certifying import Certifying
from controller.http.declaring import Declaring
from controller.http.docker_flow_proxy_api import Proxy, add_docker_flow_proxy_api
from controller.http.explaining import add_explain
from controller.http.exporter_api import add_exporter
from controller.http.listener_api import Gate
from controller.http.listener_declaring import ListenerDeclaring, add_listener_declaring
from controller.http.proxy_api import add_declared_services, add_put_certificates
from controller.http.swarm_listener_api import Listener, add_swarm_listener_api
from controller.http.writers import Writers
from controller.metrics import SharedMetrics
from controller.notifications.messages import Vocabulary, is_running
from controller.notifications.metrics import DockerFlowMetrics
from controller.notifications.nodes import NO_HOSTNAMES, Hostnames, NodeNames
from controller.notifications.notifier import Notifier
from controller.notifications.targets import read_targets
from controller.places import declared_in
from controller.published import Published
from controller.sealing import Seal
from controller.sources.declared import DeclaredSource
from controller.sources.docker_api import DockerSource
from controller.sources.health import HealthySource
from controller.sources.listener import ListenerSource
from controller.status import StatusStore
from controller.swarm_keeper import SwarmKeeper
from controller.ui.facts import Asking, Facts
from controller.ui.live import Live
from controller.ui.pages import add_ui
from models.declared import read_variables
from models.settings import ListenerSettings, ProxySettings, Settings
from models.snapshot import Snapshot

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Declarations:
    """What is declared to this proxy: the source that adds it, and where the API keeps it."""

    source: DeclaredSource
    keeper: Keeper
    listeners: ListenerSource | None = None

    async def close(self) -> None:
        """Close the source, and what the keeper has open."""
        if isinstance(self.keeper, ForwardingKeeper):
            await self.keeper.close()
        await self.source.close()


def read_declarations(
    inner: HealthySource,
    settings: ProxySettings,
    environment: Mapping[str, str],
    secrets_dir: Path,
    *,
    listeners: ListenerSource | None,
) -> Declarations:
    """Return the source with what variables declare, and what was declared through the API.

    With listeners, these keep what the API declares; without, a file does.
    """
    found = read_variables(service_variables(environment, secrets_dir))
    for problem in found.problems:
        log.warning("Service in variables refused", variable=problem.label, problem=problem.text)
    if listeners is not None:
        keeper = ForwardingKeeper(settings.listener_address, settings.api_token, channel=ChannelFiles.of(settings))
        return Declarations(DeclaredSource(inner, lambda: found.services), keeper, listeners)
    file = FileKeeper(declared_in(settings.state_dir))
    return Declarations(DeclaredSource(inner, lambda: file.services, lambda: found.services), file)


def add_interfaces(
    app: FastAPI,
    settings: ProxySettings,
    declarations: Declarations,
    status: StatusStore,
    dataplane: HAProxyDataplane,
    *,
    converged: Callable[[], bool],
    mark_dirty: Callable[[str], None],
    forget: Callable[[], None],
) -> None:
    """Add DFP's paths, those that declare services and put certificates, and more to read, to the proxy's application.

    ``forget`` makes the next reconcile ask HAProxy anew what it runs.
    """
    listeners, keeper = declarations.listeners, declarations.keeper
    distribution = Distribution(keeper if isinstance(keeper, ForwardingKeeper) else None)
    declaring = Declaring(
        keeper,
        declarations.source,
        status,
        settings.label_rules,
        mark_dirty,
        distribution,
        follows_listeners=listeners is not None,
        is_legacy=lambda: listeners is not None and listeners.has_legacy,
    )

    def look_anew() -> None:
        forget()
        mark_dirty("somebody asked for it")

    certifying = Certifying(
        _certificate_keeper(settings, keeper),
        status,
        distribution,
        mark_dirty,
        own_list=settings.crt_list_path is not None,
    )
    writers = writers_of(settings)
    proxy = Proxy(
        status=status,
        declaring=declaring,
        writers=writers,
        converged=converged,
        look_anew=look_anew,
        configuration=dataplane.configuration,
        statistics=dataplane.statistics,
        certifying=certifying,
        certs_dir=settings.certs_dir,
    )
    add_docker_flow_proxy_api(app, proxy)
    add_declared_services(app, declaring, writers)
    add_put_certificates(app, certifying, writers)
    add_exporter(app, Exporter(dataplane.internal_socket))
    add_explain(app, status, settings)


def add_pages(
    app: FastAPI,
    settings: ProxySettings,
    declarations: Declarations,
    dataplane: HAProxyDataplane,
    *,
    status: StatusStore,
    history: History,
    readiness: Callable[[], Readiness],
    staleness: Callable[[], float],
) -> Live:
    """Add the web page to the proxy's application; return what has to be closed before that can stop."""
    keeper = declarations.keeper
    facts = Facts(
        settings=settings,
        status=status,
        history=history,
        world=lambda: declarations.source.world,
        readiness=readiness,
        staleness=staleness,
        source=_source_in_words(settings),
        statistics=Asking(dataplane.statistics_of),
        load=Asking(lambda _: dataplane.load()),
        replicas=Asking(lambda _: keeper.replicas()) if isinstance(keeper, ForwardingKeeper) else None,
        replica=replica_of(settings),
    )
    return add_ui(app, facts)


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


def writers_of(settings: Settings, *, by_tls_only: bool = False) -> Writers:
    """Return who may change things."""
    return Writers(settings.api_token, settings.api_writes, by_tls_only)


def replica_of(settings: ProxySettings) -> str:
    """Return what a proxy is called: its port tells it from others of its machine, and stays after a restart."""
    return f"{socket.gethostname()}:{settings.port}"


def _source_in_words(settings: ProxySettings) -> str:
    if settings.stack_file is not None:
        return f"the stack file {settings.stack_file.name}"
    addresses = ", ".join(settings.listener_address)
    return f"the listener at {addresses}" if addresses else "the Docker API"


def seal_of(settings: Settings) -> Seal:
    """Return what certificates are sealed with: a token that all proxies share, and that listeners need not have."""
    return Seal(settings.listener_token, settings.api_token)


def _certificate_keeper(settings: ProxySettings, keeper: Keeper) -> CertificateKeeper:
    folder = FolderCertificates(put_folder(settings.state_dir))
    if isinstance(keeper, ForwardingKeeper):
        return SwarmCertificates(keeper, seal_of(settings), folder)
    return folder
