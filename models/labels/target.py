"""Labels that say where requests go: the port, and the host if it is not the service itself."""

from typing import Annotated

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import Address, ObjectName, Port


class Target(Family):
    """Where a destination's requests are sent."""

    port: Annotated[
        Port | None,
        Label(
            doc="The port inside the service that requests are sent to. Mandatory, unless there is an `httpsPort`.",
            example="8080",
            modes=EVERY_MODE,
        ),
    ] = None
    https_port: Annotated[
        Port | None,
        Label(
            doc="The port inside the service that requests are sent to if they came to the proxy by HTTPS "
            "(port `srcHttpsPort`). Without it, they go to `port` like all others.",
            example="8443",
            effect=Effect.RELOAD,
            why="what no lookup can tell is tested by a rule of its own, so that other routes cost nothing",
        ),
    ] = None
    outbound_hostname: Annotated[
        Address | None,
        Label(
            doc="Sends requests to this host instead of the service, for targets outside the Swarm.",
            example="machine-123.internal.ecme.com",
            modes=EVERY_MODE,
        ),
    ] = None
    network: Annotated[
        ObjectName | None,
        Label(
            doc="The network on which requests are sent to the service, if it shares several with the proxy: its name, "
            "with or without that of the service's stack. Without the label it is one of those that they share.",
            example="front",
            indexed=False,
            modes=EVERY_MODE,
        ),
    ] = None
