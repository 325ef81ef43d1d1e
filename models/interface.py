"""`Interface`: an address with the prefix length of its network, as text in its shortest form, such as ``10.0.1.5/24``.

It is text, as Docker writes it, and not an object of `ipaddress`: that takes ten times as long to make, and a world has
ten thousand of them, of most of which nothing is asked but whether they are the same as before.
"""

import re
from functools import lru_cache
from ipaddress import IPv4Address, ip_interface
from typing import Annotated

from pydantic import AfterValidator

_OCTET = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}/(?:3[0-2]|[12]?[0-9])")


def interface(text: str) -> str:
    """Return what is meant by a text in its shortest form; a lone address is a network of its own.

    Raises:
        ValueError: it is no address.
    """
    return text if _IPV4.fullmatch(text) else str(ip_interface(text))


Interface = Annotated[str, AfterValidator(interface)]


def address_of(interface: str) -> str:
    """Return the address alone."""
    return interface.partition("/")[0]


def network_of(interface: str) -> str:
    """Return the network that the address is in, such as ``10.0.1.0/24``."""
    address, _, length = interface.partition("/")
    if ":" in address:
        return str(ip_interface(interface).network)
    others = 32 - int(length)
    return _network(int.from_bytes(map(int, address.split("."))) >> others << others, length)


@lru_cache(maxsize=1024)
def _network(first: int, length: str) -> str:
    return f"{IPv4Address(first)}/{length}"
