"""`Arrival`: a request as the rules of the proxy see it, after what is done with every request at first.

In the steps of ``client.cfg.j2`` and ``path.cfg.j2``: who the client is, which headers are dropped, which path counts.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address, ip_network
from urllib.parse import unquote_to_bytes

from models.explaining.asked import DEFAULT_PORTS, Asked, IpAddress
from models.explaining.testing import Facts, divided
from models.paths import KEPT
from models.proxy import Desired
from models.settings import ProxySettings
from models.settings.ports import HOPS

_CGI_FORM = "x_forwarded_"
_FORWARDED = re.compile(r"x-forwarded-(?!for$).*|forwarded")
_ODD = re.compile(rb"[%;\\]|/[/.]")
_REFUSED = re.compile(
    rb"%(?!" + KEPT.encode() + rb")|[\x00-\x1F\x7F]|/\.\.?(/|$)"
    rb"|[\xC0\xC1][\x80-\xBF]|\xE0[\x80-\x9F]|\xF0[\x80-\x8F]"
)
_VALID_CODE = re.compile(rb"%(?![0-9A-Fa-f]{2})")


@dataclass(frozen=True, slots=True)
class Arrival:
    """A request with what is known of it.

    ``host`` and ``path`` are what is looked up, ``client`` is the address that rules are about. ``odd`` says whether
    the path was written in another way than rules compare it. ``refused`` says why it is refused whatever the routes
    are.
    """

    asked: Asked
    host: str
    path: str
    facts: Facts
    client: IpAddress | None
    odd: bool = False
    refused: str | None = None
    doubts: tuple[str, ...] = ()


def arrival_of(asked: Asked, desired: Desired, settings: ProxySettings) -> Arrival:
    """Return what the proxy's rules see of a request."""
    port, doubts = _port(asked, desired, settings)
    peer = asked.source
    headers = _headers(asked, settings, trusted=peer is not None and _is_in(peer, settings.trusted_proxies))
    path, odd, refused = _path(asked.path, normalize=settings.normalize_paths)
    host = _host(asked.host)
    return Arrival(
        asked=asked,
        host=host,
        path=path.decode(errors="surrogateescape"),
        facts=Facts(asked.host.encode(), host.encode(), path, port, headers),
        client=None if peer is None else _client(peer, headers, settings.trusted_proxies),
        odd=odd,
        refused=refused,
        doubts=doubts,
    )


def _port(asked: Asked, desired: Desired, settings: ProxySettings) -> tuple[int, tuple[str, ...]]:
    """Return the port of the proxy that a request comes to, and what is doubtful about it."""
    wanted = asked.port or DEFAULT_PORTS[asked.secure]
    binds = {bind.port: bind.ssl for bind in settings.binds}
    others = {each.port for each in desired.tcp_frontends} | {each.port for each in desired.passthrough.ports}
    if wanted in others:
        return wanted, ()
    if wanted in binds:
        spoken, other = ("TLS", "HTTP") if binds[wanted] else ("HTTP", "TLS")
        fits = binds[wanted] == asked.secure
        return wanted, () if fits else (
            f"port {wanted} of the proxy speaks {spoken}, so requests by {other} fail there",
        )
    instead = next((port for port, ssl in binds.items() if ssl == asked.secure), None)
    if instead is None:
        return DEFAULT_PORTS[asked.secure], (f"no port of the proxy is for {asked.scheme}",)
    return instead, (f"port {wanted} is none of the proxy's own; taken for one that leads to its port {instead}",)


def _headers(asked: Asked, settings: ProxySettings, *, trusted: bool) -> tuple[tuple[str, bytes], ...]:
    """Return the headers that are left of a request."""
    kept = [(name, value.encode()) for name, value in asked.headers if not name.startswith(_CGI_FORM)]
    if settings.trusted_proxies and not trusted:
        kept = [(name, value) for name, value in kept if not _FORWARDED.fullmatch(name)]
    if not asked.secure:
        return tuple(kept)
    others = [(name, value) for name, value in kept if name != "x-forwarded-proto"]
    return (*others, ("x-forwarded-proto", b"https"))


def _client(peer: IpAddress, headers: Sequence[tuple[str, bytes]], trusted: Sequence[str]) -> IpAddress:
    """Return who the client is: the last address that no trusted proxy has."""
    named = [part for name, value in headers if name == "x-forwarded-for" for part in divided(value)]
    client = peer
    for text in [*reversed(named)][:HOPS]:
        known = _address(text)
        if known is None or not _is_in(client, trusted):
            break
        client = known
    return client


def _address(text: bytes) -> IpAddress | None:
    """Return the address in a part of a header, which may have a port."""
    words = text.decode(errors="replace")
    if words.count(":") == 1:
        words = words.partition(":")[0]
    try:
        return ip_address(words)
    except ValueError:
        return None


def _is_in(address: IpAddress, networks: Sequence[str]) -> bool:
    return any(address in ip_network(network) for network in networks)


def _host(header: str) -> str:
    """Return the host as it is looked up: no port, in lower case, without a dot at the end."""
    last = divided(header.encode())[-1].decode()
    return last.partition(":")[0].lower().rstrip(".")


def _path(path: str, *, normalize: bool) -> tuple[bytes, bool, str | None]:
    """Return the path that rules go by, whether it was written oddly, and why it is refused, if so."""
    raw = path.encode()
    if not (normalize and _ODD.search(raw)):
        return raw, False, None
    kept = rb"%(" + KEPT.encode() + rb")"
    normal = raw
    marked = re.sub(kept, rb"#\1", raw)
    if not _VALID_CODE.search(marked):
        normal = unquote_to_bytes(marked)
        for search, replacement in ((rb";[^/\\]*", b""), (rb"[/\\]+", b"/"), (rb"#(" + KEPT.encode() + rb")", rb"%\1")):
            normal = re.sub(search, replacement, normal)
    why = "it is no valid encoding, or has control characters or segments that lead elsewhere"
    return normal, True, why if _REFUSED.search(normal) else None
