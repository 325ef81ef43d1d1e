"""Variables of ``swarmgate proxy``: those of its subjects together, and those about the process itself."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from models.reading import LabelRules
from models.settings.labels import Labels
from models.settings.ports import Ports
from models.settings.shared import Settings
from models.settings.statistics import Statistics
from models.settings.timeouts import Timeouts
from models.settings.tls import Tls
from models.settings.values import Seconds
from models.types import ListOf


class ProxySettings(Timeouts, Labels, Statistics, Tls, Ports, Settings):
    """Variables of ``swarmgate proxy``."""

    listener_address: Annotated[
        ListOf[str], Field(description="Host (or host:port) of the listeners; several are a union.")
    ] = ()
    stack_file: Annotated[
        Path | None, Field(description="A compose file to take services from, instead of a Swarm.")
    ] = None
    maxconn: Annotated[
        int | None, Field(ge=10, description="Most connections at once; by default as many as the machine allows.")
    ] = None
    haproxy_binary: Annotated[
        str | None, Field(description="The HAProxy to run; by default the one on PATH, or the embedded one.")
    ] = None
    run_dir: Annotated[Path, Field(description="Folder for sockets; its path must be short.")] = Path("/run/swarmgate")
    drain_timeout: Annotated[
        Seconds, Field(description="Seconds that connections get to end when the proxy is stopped.")
    ] = 30

    @property
    def label_rules(self) -> LabelRules:
        """How labels are read under these settings."""
        return LabelRules(
            separator=self.separator, notify_label=self.df_notify_label, allow_raw_config=self.allow_raw_config
        )
