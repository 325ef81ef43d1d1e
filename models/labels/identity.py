"""Labels about the service itself: whether it is published, and under which name."""

from typing import Annotated

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import AnyText, Flag, Number, ObjectName, SafeText


class Identity(Family):
    """Who the service is to the proxy."""

    notify: Annotated[
        SafeText,
        Label(
            doc="Publishes the service. Any value but a false one (`false`, `0`, `no`, `off`).",
            example="true",
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = ""
    distribute: Annotated[
        Flag,
        Label(
            doc="Accepted for compatibility: every replica always converges to the same state.",
            example="true",
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = True
    acl_name: Annotated[
        ObjectName | None,
        Label(
            doc="The name of the service in HAProxy's backends and logs; settles ties between equal routes. "
            "The service name by default.",
            example="05-go-demo",
            indexed=False,
            modes=EVERY_MODE,
        ),
    ] = None
    short_name: Annotated[
        Flag,
        Label(
            doc="Publishes the service under its name without that of its stack (`shop_web` of the stack `shop` as "
            "`web`): its backends and servers, and the realm of its users, are called after it.",
            example="true",
            indexed=False,
            modes=EVERY_MODE,
        ),
    ] = False
    replicas: Annotated[
        Number | None,
        Label(
            doc="`0` takes the service out of the proxy; any other number changes nothing, since tasks are counted.",
            example="0",
            indexed=False,
            modes=EVERY_MODE,
        ),
    ] = None
    proxy_instance_name: Annotated[
        SafeText,
        Label(
            doc="With `FILTER_PROXY_INSTANCE_NAME`: only the proxy whose `PROXY_INSTANCE_NAME` is this one publishes "
            "the service; letter case does not matter.",
            example="internal",
            indexed=False,
            modes=EVERY_MODE,
        ),
    ] = ""
    service_name: Annotated[
        AnyText,
        Label(
            doc="Accepted for compatibility, as listeners send it: a service is called as Swarm calls it.",
            example="go-demo",
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = ""
    scrape_network: Annotated[
        AnyText,
        Label(
            doc="Tells Docker Flow Monitor, through the listener, the network on which the service's tasks can be "
            "scraped; see `DF_INCLUDE_NODE_IP_INFO`. It changes nothing in the proxy.",
            example="monitor",
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = ""
    node_info: Annotated[
        AnyText,
        Label(
            doc="Accepted for compatibility, as listeners send it; it is for Docker Flow Monitor.",
            example='[["node-1","10.0.1.5","x7r"]]',
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = ""
