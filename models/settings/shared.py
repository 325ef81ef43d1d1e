"""Variables that both roles have."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, SecretStr

from models.settings.channel import Channel
from models.settings.values import Seconds
from models.types import Flag, Port


class Settings(Channel):
    """What both roles share."""

    ip: Annotated[str, Field(description="Address the API listens on.")] = "0.0.0.0"  # noqa: S104 - in a container
    port: Annotated[Port, Field(description="Port the API listens on.")] = 8080
    service_name: Annotated[
        str, Field(description="Name of the proxy's own Swarm service; in a stack, `<stack>_proxy`.")
    ] = "proxy"
    docker_host: Annotated[str, Field(description="The Docker API (`unix:///path` or `tcp://host:port`).")] = (
        "unix:///var/run/docker.sock"
    )
    df_notify_label: Annotated[str, Field(description="The label by which services opt in.")] = "com.df.notify"
    listener_token: Annotated[
        SecretStr | None,
        Field(description="Shared secret between listeners and proxies; best given as secret `dfp_listener_token`."),
    ] = None
    state_dir: Annotated[Path, Field(description="Folder for what must survive a restart of the controller.")] = Path(
        "/var/lib/swarmgate"
    )
    api_token: Annotated[
        SecretStr | None,
        Field(description="Token of those who may change things through the API; best as secret `dfp_api_token`."),
    ] = None
    api_writes: Annotated[
        Literal["token", "open"],
        Field(description="Who may change things through the API: `token`, or (`open`) everybody who can reach it."),
    ] = "token"
    healthcheck: Annotated[
        Flag, Field(description="`false`: the container's health check succeeds whatever the state of the controller.")
    ] = True
    resync_interval: Annotated[
        Seconds, Field(description="Seconds between two reconciles when nothing seems to have changed.")
    ] = 30
    log_level: Annotated[
        Literal["debug", "info", "warning", "error"], Field(description="The least important messages to log.")
    ] = "info"
    log_format: Annotated[
        Literal["auto", "json", "text"], Field(description="`auto`: text on a terminal, JSON otherwise.")
    ] = "auto"
