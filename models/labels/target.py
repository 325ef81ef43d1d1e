"""Labels that say where requests go: the port, and the host if it is not the service itself."""

from typing import Annotated

from models.labels._table import Family, Label
from models.types import Address, Port


class Target(Family):
    """Where a destination's requests are sent."""

    port: Annotated[
        Port | None,
        Label(doc="The port inside the service that requests are sent to. Mandatory.", example="8080"),
    ] = None
    outbound_hostname: Annotated[
        Address | None,
        Label(
            doc="Sends requests to this host instead of the service, for targets outside the Swarm.",
            example="machine-123.internal.ecme.com",
        ),
    ] = None
