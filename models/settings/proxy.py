"""Variables of ``swarmgate proxy``: those of its subjects together, and those about the process itself."""

from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from models.reading import LabelRules
from models.settings.label_defaults import LabelDefaults
from models.settings.labels import Labels
from models.settings.ports import Ports
from models.settings.raw import Raw
from models.settings.request_log import RequestLog
from models.settings.requests import Requests
from models.settings.shared import Settings
from models.settings.statistics import Statistics
from models.settings.timeouts import Timeouts
from models.settings.tls import Tls
from models.settings.values import Seconds
from models.types import Flag, ListOf


class ProxySettings(RequestLog, Requests, Timeouts, LabelDefaults, Labels, Raw, Statistics, Tls, Ports, Settings):
    """Variables of ``swarmgate proxy``."""

    listener_address: Annotated[
        ListOf[str],
        Field(
            description="Host (or host:port) of the listeners; several are a union. `https://host` speaks TLS with "
            "them, for which both sides need `LISTENER_TLS_CERT` and `LISTENER_TLS_CA`."
        ),
    ] = ()
    stack_file: Annotated[
        Path | None, Field(description="A compose file to take services from, instead of a Swarm.")
    ] = None
    maxconn: Annotated[
        int | None,
        Field(
            ge=10,
            description="Most connections at once, of which up to 10 are kept for the controller; by default as many "
            "as the machine allows.",
        ),
    ] = None
    haproxy_binary: Annotated[
        str | None, Field(description="The HAProxy to run; by default the one on PATH, or the embedded one.")
    ] = None
    errorfiles_dir: Annotated[
        Path, Field(description="Folder of your own error pages, `<status>.http`, read when the proxy starts.")
    ] = Path("/errorfiles")
    run_dir: Annotated[Path, Field(description="Folder for sockets; its path must be short.")] = Path("/run/swarmgate")
    drain_timeout: Annotated[
        Seconds, Field(description="Seconds that connections get to end when the proxy is stopped.")
    ] = 30
    terminate_on_reload: Annotated[
        Flag,
        Field(
            description="End the connections that HAProxy still has from before a reload at once. By default they get "
            "an hour to end by themselves."
        ),
    ] = False
    display_config_on_error: Annotated[
        Flag, Field(description="Log the configuration that HAProxy refuses, without passwords.")
    ] = False

    @model_validator(mode="after")
    def _stats_are_not_the_api(self) -> "ProxySettings":
        if self.stats_frontend_port == self.port:
            raise ValueError(f"STATS_PORT is {self.port}, which is the port of the API (PORT)")
        return self

    @model_validator(mode="after")
    def _tls_has_certificates(self) -> "ProxySettings":
        asked = next((each for each in self.listener_address if each.strip().lower().startswith("https:")), None)
        if asked and not self.has_tls:
            raise ValueError(f"LISTENER_ADDRESS has {asked}, so LISTENER_TLS_CERT and LISTENER_TLS_CA must be set")
        return self

    @property
    def stats_frontend_port(self) -> int | None:
        """The port of a frontend for the statistics page alone; None if it has none."""
        is_http = any(bind.port == self.stats_port for bind in self.binds)
        return self.stats_port if self.stats_user and not is_http else None

    @property
    def own_ports(self) -> frozenset[int]:
        """All ports that are the proxy's, and so no service's."""
        stats = () if self.stats_frontend_port is None else (self.stats_frontend_port,)
        return frozenset((self.port, *stats, *(bind.port for bind in self.binds)))

    @property
    def label_rules(self) -> LabelRules:
        """How labels are read under these settings."""
        return LabelRules(
            separator=self.separator,
            notify_label=self.df_notify_label,
            allow_raw_config=self.allow_raw_config,
            templates_dir=str(self.templates_dir),
            defaults=self.label_defaults,
        )
