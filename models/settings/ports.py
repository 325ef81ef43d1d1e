"""Which ports HAProxy listens on for HTTP, and how."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field

from models.base import Frozen
from models.types import ListOf, Port


class Bind(Frozen):
    """A port that the HTTP frontend listens on (an item of ``DEFAULT_PORTS``, such as ``8443 accept-proxy:ssl``)."""

    port: Port
    accept_proxy: bool = False
    ssl: bool = False

    def __str__(self) -> str:
        return f"{self.port}{' accept-proxy' if self.accept_proxy else ''}{':ssl' if self.ssl else ''}"


def _to_bind(item: object) -> object:
    if not isinstance(item, str):
        return item
    match = re.fullmatch(r"(?P<port>[0-9]+)(?P<proxy> +accept-proxy)?(?P<ssl>:ssl)?", item)
    if not match:
        raise ValueError("is not a port, such as 80, 443:ssl or '443 accept-proxy:ssl'")
    return Bind(port=int(match["port"]), accept_proxy=bool(match["proxy"]), ssl=bool(match["ssl"]))


BindPort = Annotated[Bind, BeforeValidator(_to_bind)]


class Ports(Frozen):
    """The ports of the HTTP frontend."""

    default_ports: Annotated[
        ListOf[BindPort],
        Field(description="Ports of the HTTP frontend, each optionally followed by ` accept-proxy` and by `:ssl`."),
    ] = (Bind(port=80), Bind(port=443, ssl=True))
    bind_ports: Annotated[
        ListOf[BindPort],
        Field(description="More ports of the HTTP frontend, in the form of `DEFAULT_PORTS`."),
    ] = ()

    @property
    def binds(self) -> tuple[Bind, ...]:
        """All ports of the HTTP frontend; of several entries for one port the first one counts."""
        entries: dict[int, Bind] = {}
        for bind in (*self.default_ports, *self.bind_ports):
            entries.setdefault(bind.port, bind)
        return tuple(entries.values())
