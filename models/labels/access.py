"""Labels that narrow who may send what: by protocol, address or method."""

import re
from ipaddress import ip_network
from typing import Annotated

from pydantic import AfterValidator

from models.labels._table import EVERY_MODE, Family, Label
from models.types import Allowed, Flag, ListOf


def _method(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z][A-Za-z-]{0,31}", value):
        raise ValueError("is not an HTTP method")
    return value.upper()


def _network(value: str) -> str:
    try:
        return str(ip_network(value, strict=False))
    except ValueError:
        raise ValueError("is neither an address nor a network") from None


Method = Annotated[str, AfterValidator(_method), Allowed("an HTTP method such as GET")]
Network = Annotated[
    str, AfterValidator(_network), Allowed("an IP address or network (192.0.2.7, 10.0.0.0/8, 2001:db8::/32)")
]


class Access(Family):
    """Which requests are refused with 403 before they reach the service."""

    deny_http: Annotated[
        Flag,
        Label(doc="Refuses requests that came by HTTP.", example="true", option=True, restricts=True),
    ] = False
    allowed_src: Annotated[
        ListOf[Network],
        Label(
            doc="Only clients with these addresses are let in; behind other proxies, see `TRUSTED_PROXIES`.",
            example="10.0.0.0/8,192.0.2.7",
            option=True,
            restricts=True,
            modes=EVERY_MODE,
        ),
    ] = ()
    denied_src: Annotated[
        ListOf[Network],
        Label(
            doc="Clients with these addresses are kept out; behind other proxies, see `TRUSTED_PROXIES`.",
            example="198.51.100.0/24",
            option=True,
            restricts=True,
            modes=EVERY_MODE,
        ),
    ] = ()
    allowed_methods: Annotated[
        ListOf[Method],
        Label(doc="Only these methods are let in.", example="GET,HEAD", option=True, restricts=True),
    ] = ()
    denied_methods: Annotated[
        ListOf[Method],
        Label(doc="These methods are kept out.", example="DELETE,PUT", option=True, restricts=True),
    ] = ()
