"""`Asked`: a request that somebody might send, in the parts that the proxy goes by."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import quote, urlsplit

IpAddress = IPv4Address | IPv6Address

_SECURE = {"http": False, "ws": False, "https": True, "wss": True}
_METHOD = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,64}")
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,128}")
_AS_IT_IS = "".join(map(chr, range(0x21, 0x7F)))
"""What clients send of a URL as it was written; they encode everything else."""
DEFAULT_PORTS = {False: 80, True: 443}
MOST_CHARACTERS = 4_000
"""Of a URL: more than browsers send."""
MOST_HEADERS = 20


@dataclass(frozen=True, slots=True)
class Asked:
    """A request.

    ``host`` is what the header ``Host`` says, ``path`` and ``query`` are as they are sent; ``headers`` are pairs of a
    name in lower case and a value, in their order. ``source`` is the address that connects, None if nobody said;
    ``port`` the one in the URL, None if it has none.
    """

    secure: bool
    host: str
    path: str
    query: str = ""
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()
    source: IpAddress | None = None
    port: int | None = None

    @property
    def scheme(self) -> str:
        """The protocol, ``http`` or ``https``."""
        return "https" if self.secure else "http"

    @property
    def target(self) -> str:
        """The path with the query."""
        return f"{self.path}?{self.query}" if self.query else self.path


def asked_of(url: str, *, method: str = "GET", headers: Iterable[str] = (), source: str | None = None) -> Asked:
    """Return the request that a client sends for a URL; without a scheme it is one of HTTP.

    Args:
        url: what to ask for, ``https://shop.example.com/cart`` or ``/demo``.
        method: the method, in the letter case in which it is sent.
        headers: more headers, each as ``Name: value``; ``Host`` takes the place of the one in the URL.
        source: the address that connects to the proxy.

    Raises:
        ValueError: one of these cannot be of any request; the message says which, and never repeats a header's value.
    """
    if len(url) > MOST_CHARACTERS:
        raise ValueError(f"the URL is longer than {MOST_CHARACTERS} characters")
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme not in _SECURE:
        raise ValueError(f"the URL begins with {parts.scheme[:20]!r}; allowed: {', '.join(_SECURE)}")
    if not _METHOD.fullmatch(method):
        raise ValueError(f"{method[:20]!r} is no method")
    secure = _SECURE[parts.scheme]
    given = tuple(map(_header, headers))
    if len(given) > MOST_HEADERS:
        raise ValueError(f"there are more than {MOST_HEADERS} headers")
    hosts = [value for name, value in given if name == "host"]
    return Asked(
        secure=secure,
        host=hosts[0] if hosts else parts.netloc.rpartition("@")[2],
        path=_encoded(parts.path) or "/",
        query=_encoded(parts.query),
        method=method,
        headers=tuple((name, value) for name, value in given if name != "host"),
        source=None if source is None else _address(source),
        port=_port(parts.netloc),
    )


def _encoded(text: str) -> str:
    return quote(text, safe=_AS_IT_IS)


def _port(netloc: str) -> int | None:
    try:
        return urlsplit(f"//{netloc}").port
    except ValueError:
        raise ValueError("the URL has a port that is none") from None


def _header(text: str) -> tuple[str, str]:
    name, colon, value = text.partition(":")
    if not colon or not _NAME.fullmatch(name) or re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
        raise ValueError(f"a header is not of the form Name: value ({len(text)} characters)")
    return name.lower(), value.strip(" \t")


def _address(text: str) -> IpAddress:
    try:
        return ip_address(text)
    except ValueError:
        raise ValueError(f"{text[:45]!r} is no address") from None
