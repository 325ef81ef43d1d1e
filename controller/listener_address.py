"""Where a listener is, by how ``LISTENER_ADDRESS`` names it. Pure."""

from types import MappingProxyType
from urllib.parse import urlsplit

LISTENER_PORTS = MappingProxyType({"http": 8080, "https": 8443})


def listener_url(address: str) -> str:
    """The base URL for an address as configured: ``listener`` becomes ``http://listener:8080``.

    Raises:
        ValueError: it is no address.
    """
    text = address.strip()
    parts = urlsplit(text if "://" in text else f"http://{text}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path.strip("/") or parts.query:
        raise ValueError(f"not the address of a listener: {address!r} (host, host:port or http(s)://host:port)")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}:{parts.port or LISTENER_PORTS[parts.scheme]}"
