"""Puts together what lies between a proxy's loop and those around it: its API, DFP's paths, the web page.

It takes as long to import as all the rest of a proxy, which can do without for a while.
"""

from collections.abc import Callable

from fastapi import FastAPI

from controller.by_settings import replica_of, seal_of
from controller.certificate_keeping import CertificateKeeper, FolderCertificates, SwarmCertificates
from controller.certificates import put_folder
from controller.declarations import Keeper
from controller.forwarding import ForwardingKeeper
from controller.haproxy.exporter import Exporter
from controller.haproxy_metrics import HAProxyMetrics
from controller.http.answering import Distribution
from controller.http.certifying import Certifying
from controller.http.declaring import Declaring
from controller.http.docker_flow_proxy_api import Proxy, add_docker_flow_proxy_api
from controller.http.explaining import add_explain
from controller.http.exporter_api import add_exporter
from controller.http.proxy_api import add_declared_services, add_put_certificates, make_proxy_app
from controller.http.writers import writers_of
from controller.proxy_parts import ProxyParts
from controller.ui.facts import Asking, Facts
from controller.ui.live import Live
from controller.ui.pages import add_ui
from models.settings import ProxySettings


def proxy_api(parts: ProxyParts) -> tuple[FastAPI, Callable[[], None]]:
    """Return the application that says all that a proxy has to say, and what to call before that can stop."""
    app = make_proxy_app(parts.status, parts.metrics, parts.readiness, HAProxyMetrics(parts.dataplane.statistics))
    live = _add_pages(app, parts)
    _add_interfaces(app, parts)
    return app, live.close


def _add_interfaces(app: FastAPI, parts: ProxyParts) -> None:
    """Add DFP's paths, those that declare services and put certificates, and more to read, to the application."""
    settings, status, dataplane = parts.settings, parts.status, parts.dataplane
    listeners, keeper = parts.declarations.listeners, parts.declarations.keeper
    distribution = Distribution(keeper if isinstance(keeper, ForwardingKeeper) else None)
    declaring = Declaring(
        keeper,
        parts.declarations.source,
        status,
        settings.label_rules,
        parts.mark_dirty,
        distribution,
        follows_listeners=listeners is not None,
        is_legacy=lambda: listeners is not None and listeners.has_legacy,
    )

    def look_anew() -> None:
        parts.forget()
        parts.mark_dirty("somebody asked for it")

    certifying = Certifying(
        _certificate_keeper(settings, keeper),
        status,
        distribution,
        parts.mark_dirty,
        own_list=settings.crt_list_path is not None,
    )
    writers = writers_of(settings)
    proxy = Proxy(
        status=status,
        declaring=declaring,
        writers=writers,
        converged=parts.converged,
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


def _add_pages(app: FastAPI, parts: ProxyParts) -> Live:
    """Add the web page to the application."""
    keeper, dataplane = parts.declarations.keeper, parts.dataplane
    facts = Facts(
        settings=parts.settings,
        status=parts.status,
        history=parts.history,
        world=lambda: parts.declarations.source.world,
        readiness=parts.readiness,
        staleness=parts.staleness,
        source=_source_in_words(parts.settings),
        statistics=Asking(dataplane.statistics_of),
        load=Asking(lambda _: dataplane.load()),
        replicas=Asking(lambda _: keeper.replicas()) if isinstance(keeper, ForwardingKeeper) else None,
        replica=replica_of(parts.settings),
    )
    return add_ui(app, facts)


def _source_in_words(settings: ProxySettings) -> str:
    if settings.stack_file is not None:
        return f"the stack file {settings.stack_file.name}"
    addresses = ", ".join(settings.listener_address)
    return f"the listener at {addresses}" if addresses else "the Docker API"


def _certificate_keeper(settings: ProxySettings, keeper: Keeper) -> CertificateKeeper:
    folder = FolderCertificates(put_folder(settings.state_dir))
    if isinstance(keeper, ForwardingKeeper):
        return SwarmCertificates(keeper, seal_of(settings), folder)
    return folder
