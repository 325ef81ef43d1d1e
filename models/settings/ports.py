"""Which ports HAProxy listens on for HTTP, how, and whom it believes about the client's address."""

import re
from collections.abc import Iterator, Sequence
from typing import Annotated

from pydantic import BeforeValidator, Field

from models.base import Frozen
from models.labels.access import Network
from models.types import Allowed, ListOf, Port

HOPS = 5
"""How many addresses of ``X-Forwarded-For`` are looked at, from its end, to find one that is no trusted proxy's."""

_NUMBER, _NAME, _VERSION, _NAMES = (
    r"[0-9]{1,9}",
    r"[A-Za-z0-9_.@-]{1,64}",
    r"TLSv1\.[0-3]",
    r"[A-Za-z0-9_+:!@=.-]{1,2000}",
)
BIND_OPTIONS = {
    "accept-netscaler-cip": _NUMBER,
    "accept-proxy": None,
    "allow-0rtt": None,
    "backlog": _NUMBER,
    "ciphers": _NAMES,
    "ciphersuites": _NAMES,
    "curves": _NAMES,
    "defer-accept": None,
    "ecdhe": _NAMES,
    "force-tlsv12": None,
    "force-tlsv13": None,
    "interface": r"[A-Za-z0-9_.@-]{1,15}",
    "maxconn": _NUMBER,
    "mss": r"-?[0-9]{1,5}",
    "name": _NAME,
    "nice": r"-?[0-9]{1,4}",
    "no-sslv3": None,
    "no-tls-tickets": None,
    "no-tlsv10": None,
    "no-tlsv11": None,
    "no-tlsv12": None,
    "no-tlsv13": None,
    "prefer-client-ciphers": None,
    "shards": r"by-thread|by-group|[0-9]{1,4}",
    "ssl-max-ver": _VERSION,
    "ssl-min-ver": _VERSION,
    "strict-sni": None,
    "tcp-ut": r"[0-9]{1,9}(ms|s|m|h)?",
    "tfo": None,
    "transparent": None,
}
"""The words that may stand after a port, and the form of the value that has to follow them (None: no value follows).

Source: Configuration manual 5.1; without those that read files, that Swarmgate writes itself, or that do not exist in
all versions from 2.8 on.
"""

_OF_TLS = frozenset(
    (
        *("allow-0rtt", "ciphers", "ciphersuites", "curves", "ecdhe", "force-tlsv12", "force-tlsv13", "no-sslv3"),
        *("no-tls-tickets", "no-tlsv10", "no-tlsv11", "no-tlsv12", "no-tlsv13", "prefer-client-ciphers"),
        *("ssl-max-ver", "ssl-min-ver", "strict-sni"),
    )
)
"""Those about what is said inside a connection, not about the connection."""


class Bind(Frozen):
    """A port that the HTTP frontend listens on (an item of ``DEFAULT_PORTS``, such as ``8443 accept-proxy:ssl``).

    ``options`` are HAProxy's words, in the order in which they were written.
    """

    port: Port
    accept_proxy: bool = False
    ssl: bool = False
    options: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = (str(self.port), *(("accept-proxy",) if self.accept_proxy else ()), *self.options)
        return f"{' '.join(words)}{':ssl' if self.ssl else ''}"

    @property
    def connection_options(self) -> tuple[str, ...]:
        """The part of the options that is about connections, whatever is inside."""
        return tuple(word for option in _options(self.options) if option[0] not in _OF_TLS for word in option)

    @property
    def tls_options(self) -> tuple[str, ...]:
        """The part of the options that is about TLS."""
        return tuple(word for option in _options(self.options) if option[0] in _OF_TLS for word in option)

    @property
    def interface(self) -> str | None:
        """The network interface that it is bound to; None if to all."""
        return self.options[self.options.index("interface") + 1] if "interface" in self.options else None


def _to_bind(item: object) -> object:
    if not isinstance(item, str):
        return item
    port, *words = item.removesuffix(":ssl").split() or [""]
    if not re.fullmatch(r"[0-9]{1,9}", port, re.ASCII):
        raise ValueError("is not a port, such as 80, 443:ssl or '443 accept-proxy:ssl'")
    options = [option for option in _options(words) if option != ("accept-proxy",)]
    return Bind(
        port=int(port),
        accept_proxy="accept-proxy" in words,
        ssl=item.endswith(":ssl"),
        options=tuple(word for option in options for word in option),
    )


def _options(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Divide the words after a port into options, each with its value if it has one.

    Raises:
        ValueError: a word is no option, or its value has not the form that it must have.
    """
    rest = iter(words)
    for word in rest:
        if word not in BIND_OPTIONS:
            raise ValueError(f"is not a port: after it, '{word[:40]}' is none of {', '.join(BIND_OPTIONS)}")
        form = BIND_OPTIONS[word]
        if form is None:
            yield (word,)
            continue
        value = next(rest, "")
        if not re.fullmatch(form, value, re.ASCII):
            raise ValueError(f"is not a port: '{word}' needs a value of the form {form}, not '{value[:40]}'")
        yield (word, value)


BindPort = Annotated[
    Bind,
    BeforeValidator(_to_bind),
    Allowed("a port such as 80 or 443:ssl, with options before the `:ssl` (443 accept-proxy interface eth0:ssl)"),
]


class Ports(Frozen):
    """The ports of the HTTP frontend."""

    default_ports: Annotated[
        ListOf[BindPort],
        Field(
            description="Ports of the HTTP frontend, each optionally followed by options such as ` accept-proxy`, and "
            "by `:ssl`."
        ),
    ] = (Bind(port=80), Bind(port=443, ssl=True))
    bind_ports: Annotated[
        ListOf[BindPort],
        Field(description="More ports of the HTTP frontend, in the form of `DEFAULT_PORTS`."),
    ] = ()
    trusted_proxies: Annotated[
        ListOf[Network],
        Field(
            description="Addresses and networks of the proxies and load balancers in front of this one. The client of "
            "their requests is the last one in `X-Forwarded-For` that is none of them; `allowedSrc`, `deniedSrc`, "
            "`rateLimit` and logs go by it. If this is set, what anybody else says in `X-Forwarded-Proto`, "
            "`X-Forwarded-Host` and the like is dropped."
        ),
    ] = ()

    @property
    def binds(self) -> tuple[Bind, ...]:
        """All ports of the HTTP frontend; of several entries for one port the first one counts."""
        entries: dict[int, Bind] = {}
        for bind in (*self.default_ports, *self.bind_ports):
            entries.setdefault(bind.port, bind)
        return tuple(entries.values())
