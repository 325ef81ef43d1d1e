"""Labels about which servers there are, and how requests are spread over them."""

from typing import Annotated, Literal

from pydantic import BeforeValidator

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import Allowed, ObjectName, SafeText


def _lower(value: object) -> object:
    return value.lower() if isinstance(value, str) else value


def _to_algorithm(value: object) -> object:
    """Servers come and go at run time, which the static variant of round robin cannot take."""
    return "roundrobin" if value == "static-rr" else value


Discovery = Annotated[
    Literal["overlay", "dns", "tasks"], BeforeValidator(_lower), Allowed("Overlay, or DNS or tasks, which are the same")
]
Algorithm = Annotated[
    Literal["roundrobin", "leastconn", "first", "random", "source"],
    BeforeValidator(_to_algorithm),
    Allowed("roundrobin, leastconn, first, random or source (also static-rr, which is taken for roundrobin)"),
]
STICKY = "sticky-server"


class Balancing(Family):
    """One virtual address whose load Swarm balances, or a server per task whose load HAProxy balances."""

    session_type: Annotated[
        SafeText,
        Label(
            doc="`sticky-server`: one server per task, and a cookie named after the service that leads a client back "
            "to the same one. Any other value: just one server per task.",
            example=STICKY,
            indexed=False,
            effect=Effect.PROFILE,
            why="the cookie has the name of the service, which HAProxy takes only from its configuration",
            modes=EVERY_MODE,
        ),
    ] = ""
    discovery_type: Annotated[
        Discovery,
        Label(
            doc="`Overlay`: the service's virtual address. `DNS` or `tasks`: one server per task.",
            example="DNS",
            indexed=False,
            effect=Effect.PROFILE,
            why="a server keeps the options that it was made with",
            modes=EVERY_MODE,
        ),
    ] = "overlay"
    service_group: Annotated[
        ObjectName | None,
        Label(
            doc="With `reqMode=tcp`: services of one group share a `srcPort`. Their tasks are the servers of one "
            "backend; its other options are those of the oldest service.",
            example="databases",
            effect=Effect.RELOAD,
            why="HAProxy opens a port, and says who has it, only from its configuration",
            not_with_sni="services share a port by their names; one name has one service",
            modes=("tcp",),
        ),
    ] = None
    balance_group: Annotated[
        Algorithm,
        Label(
            doc="With `serviceGroup`: how connections are spread over the group.",
            example="leastconn",
            effect=Effect.PROFILE,
            why="HAProxy takes the algorithm only from its configuration",
            modes=("tcp",),
        ),
    ] = "roundrobin"

    @property
    def is_sticky(self) -> bool:
        """Whether a client is led back to the server that it had."""
        return self.session_type == STICKY

    @property
    def by_task(self) -> bool:
        """Whether there is a server per task."""
        return bool(self.session_type) or self.discovery_type != "overlay"
