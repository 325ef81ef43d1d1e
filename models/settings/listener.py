"""Variables of ``swarmgate listener``."""

from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from models.settings.shared import Settings
from models.types import Allowed, Flag, ListOf, Port

Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


LONGEST_POLLING = 5.0
"""Seconds between two looks at a Swarm in which nothing seems to change."""
PollingInterval = Annotated[int, Field(ge=-1, le=86400), Allowed("a whole number of seconds, or -1")]
_POLLING = "Seconds between two looks at a Swarm that seems unchanged, if less than the 5 that it is anyway; or -1."
_RETRIES = 50


class ListenerSettings(Settings):
    """Variables of ``swarmgate listener``."""

    listener_tls_port: Annotated[
        Port,
        Field(
            description="With `LISTENER_TLS_CERT`, the port for proxies that prove who they are. On `PORT` nothing "
            "secret is told any more then, and nothing can be changed."
        ),
    ] = 8443
    proxy_port: Annotated[
        Port,
        Field(
            description="The proxies' `PORT`, at which they are asked whether it is their controller who wants the "
            "snapshot; without a token and TLS only."
        ),
    ] = 8080
    df_notify_create_service_url: Annotated[
        ListOf[str], Field(description="URLs that are told of every running service (also secret of the same name).")
    ] = ()
    df_notify_remove_service_url: Annotated[
        ListOf[str], Field(description="URLs that are told of services that are gone (also secret of the same name).")
    ] = ()
    df_notify_create_node_url: Annotated[
        ListOf[str], Field(description="URLs that are told of every node (also secret of the same name).")
    ] = ()
    df_notify_remove_node_url: Annotated[
        ListOf[str], Field(description="URLs that are told of nodes that are gone (also secret of the same name).")
    ] = ()
    df_notif_create_service_url: Annotated[
        ListOf[str], Field(description="Former name of `DF_NOTIFY_CREATE_SERVICE_URL`.")
    ] = ()
    df_notif_remove_service_url: Annotated[
        ListOf[str], Field(description="Former name of `DF_NOTIFY_REMOVE_SERVICE_URL`.")
    ] = ()
    df_notification_url: Annotated[
        ListOf[str],
        Field(description="Former name of both `DF_NOTIFY_CREATE_SERVICE_URL` and `DF_NOTIFY_REMOVE_SERVICE_URL`."),
    ] = ()
    df_notify_create_service_method: Annotated[
        ListOf[Method], Field(description="HTTP method for each create URL; the last one also for those that follow.")
    ] = ("GET",)
    df_notify_remove_service_method: Annotated[
        ListOf[Method], Field(description="HTTP method for each remove URL; the last one also for those that follow.")
    ] = ("GET",)
    df_retry: Annotated[
        int,
        Field(
            ge=0,
            description="`0`: nothing is told a second time, whether or not it was accepted, until it changes. With "
            "any other number what is true is told until it is accepted.",
        ),
    ] = _RETRIES
    df_retry_interval: Annotated[
        float, Field(ge=0, le=3600, description="Seconds between two attempts to tell something, after the first few.")
    ] = 5
    df_service_name_prefix: Annotated[
        str, Field(description="Put before every service name, with `_`, in what others are told.")
    ] = ""
    df_notify_create_service_immediately: Annotated[
        Flag, Field(description="Tell of a service before one of its tasks runs.")
    ] = False
    df_include_node_ip_info: Annotated[
        Flag,
        Field(
            description="Tell with a service that has the label `com.df.scrapeNetwork` where its tasks run "
            "(`nodeInfo`: host name of the node, address of the task on that network, id of the node)."
        ),
    ] = False
    df_node_ip_info_includes_task_address: Annotated[
        Flag, Field(description="`false`: leave the addresses of the tasks out of `nodeInfo`.")
    ] = True
    df_docker_host: Annotated[str | None, Field(description="The Docker API; goes before `DOCKER_HOST`.")] = None
    df_service_polling_interval: Annotated[PollingInterval, Field(description=_POLLING)] = -1
    df_node_polling_interval: Annotated[PollingInterval, Field(description=_POLLING)] = -1
    df_use_docker_service_events: Annotated[
        Flag, Field(description="`false`: do not follow the events of services, look at them from time to time only.")
    ] = True
    df_use_docker_node_events: Annotated[
        Flag, Field(description="`false`: do not follow the events of nodes, look at them from time to time only.")
    ] = True

    @model_validator(mode="after")
    def _tls_has_a_port_of_its_own(self) -> Self:
        if self.has_tls and self.listener_tls_port == self.port:
            raise ValueError(f"LISTENER_TLS_PORT is {self.port}, which is the port without TLS (PORT)")
        return self

    @property
    def engine(self) -> str:
        """Where the Docker API is."""
        return self.df_docker_host or self.docker_host

    @property
    def event_types(self) -> tuple[str, ...]:
        """The types of objects whose events say "look again" (Docker API ``GET /events``)."""
        services = ("service", "network", "secret", "config") if self.df_use_docker_service_events else ()
        return (*services, *(("node",) if self.df_use_docker_node_events else ()))

    @property
    def polling_interval(self) -> float:
        """Seconds between two looks at a Swarm that seems unchanged."""
        asked = (self.df_service_polling_interval, self.df_node_polling_interval)
        return min([LONGEST_POLLING, *(seconds for seconds in asked if seconds > 0)])

    @property
    def without_effect(self) -> dict[str, str]:
        """The variables that were given a value which changes nothing, and why not."""
        longer = f"the Swarm is looked at every {LONGEST_POLLING:g} s anyway, which costs two requests"
        intervals = {
            "DF_SERVICE_POLLING_INTERVAL": self.df_service_polling_interval,
            "DF_NODE_POLLING_INTERVAL": self.df_node_polling_interval,
        }
        found = {name: longer for name, seconds in intervals.items() if seconds > LONGEST_POLLING}
        if self.df_retry not in (0, _RETRIES):
            found["DF_RETRY"] = "what is true is told until it is accepted"
        return found
