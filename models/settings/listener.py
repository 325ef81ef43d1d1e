"""Variables of ``swarmgate listener``."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from models.settings.shared import Settings
from models.types import ListOf

Method = Annotated[
    Literal["GET", "POST", "PUT", "PATCH", "DELETE"],
    BeforeValidator(lambda value: value.upper() if isinstance(value, str) else value),
]


class ListenerSettings(Settings):
    """Variables of ``swarmgate listener``."""

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
        int, Field(ge=0, description="Accepted for compatibility: what is true is told until it is accepted.")
    ] = 50
    df_retry_interval: Annotated[
        float, Field(ge=0, le=3600, description="Seconds between two attempts to tell something, after the first few.")
    ] = 5
    df_service_name_prefix: Annotated[
        str, Field(description="Put before every service name, with `_`, in what others are told.")
    ] = ""
