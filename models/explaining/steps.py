"""What the rules of a backend do with a request, in the order in which HAProxy works through them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from models.explaining.arrival import Arrival
from models.explaining.asked import IpAddress
from models.explaining.explanation import Step, StepKind
from models.labels.headers import HeaderValue
from models.proxy import Backend
from models.reading import PREFIX
from models.routing import ACME_PREFIX
from models.service import TABLE

FORBIDDEN, UNAUTHORIZED, BAD_REQUEST, UNAVAILABLE, FOUND = 403, 401, 400, 503, 302
_OVERRIDES = ("x-http-method-override", "x-http-method", "x-method-override")
_COMPATIBLE_BITS = 96
"""What an IPv6 address begins with, in zeros, that HAProxy takes for one of IPv4."""


@dataclass(frozen=True, slots=True)
class OnTheWay:
    """A request at the backend that its route leads to."""

    backend: Backend
    arrival: Arrival

    def header(self, name: str) -> list[bytes]:
        """Return the values of a header."""
        return self.arrival.facts.values(name)

    def has(self, name: str) -> bool:
        """Return whether there is such a header."""
        return bool(self.arrival.facts.values(name, whole=True))


_Family = Callable[[OnTheWay], Iterator[Step]]
"""What the labels of one family ask for."""


def steps_of(backend: Backend, arrival: Arrival) -> tuple[Step, ...]:
    """Return what is done with a request, up to the step that ends it.

    A connection that is passed on as it is gets no answer by HTTP, so none of its steps has a status.
    """
    is_http = backend.mode == "http"
    steps: list[Step] = []
    for step in _all_steps(OnTheWay(backend, arrival), _FAMILIES if is_http else _OF_CONNECTIONS):
        steps.append(step if is_http else step.model_copy(update={"status": None}))
        if step.status is not None:
            break
    return tuple(steps)


def _all_steps(way: OnTheWay, families: Sequence[_Family]) -> Iterator[Step]:
    if way.backend.closed:
        yield Step(
            kind=StepKind.REFUSED,
            message="closed: access to it cannot be restricted as its labels ask",
            status=UNAVAILABLE,
        )
    for some in families:
        yield from some(way)
    yield from _sent(way)


def _sent(way: OnTheWay) -> Iterator[Step]:
    servers = way.backend.servers
    if not servers:
        yield Step(kind=StepKind.REFUSED, message="there is no server", status=UNAVAILABLE)
    else:
        where = f"one of {len(servers)} servers" if len(servers) > 1 else f"the server {servers[0].name}"
        yield Step(kind=StepKind.SENT, message=f"sent to {where}")


def _label(name: str) -> str:
    return TABLE[name].key(PREFIX)


def _refused(name: str, message: str, status: int = FORBIDDEN) -> Step:
    return Step(kind=StepKind.REFUSED, label=_label(name), message=message, status=status)


def _asked(name: str, message: str) -> Step:
    return Step(kind=StepKind.ASKED, label=_label(name), message=message)


def _changed(name: str, message: str) -> Step:
    return Step(kind=StepKind.CHANGED, label=_label(name), message=message)


def _addresses(way: OnTheWay) -> Iterator[Step]:
    access, client = way.backend.destination.access, way.arrival.client
    if client is None:
        for name, networks in (("deniedSrc", access.denied_src), ("allowedSrc", access.allowed_src)):
            if networks:
                words = "keeps out" if name == "deniedSrc" else "lets in only"
                yield _asked(name, f"{words} {', '.join(networks)}; the client's address is not known here")
    elif is_within(client, access.denied_src):
        yield _refused("deniedSrc", f"{client} is kept out")
    elif access.allowed_src and not is_within(client, access.allowed_src):
        yield _refused("allowedSrc", f"{client} is none of {', '.join(access.allowed_src)}")


def _access(way: OnTheWay) -> Iterator[Step]:
    access, asked = way.backend.destination.access, way.arrival.asked
    if access.deny_http and not asked.secure:
        yield _refused("denyHttp", "requests by HTTP are refused")
    if access.allowed_methods and asked.method not in access.allowed_methods:
        yield _refused("allowedMethods", f"{asked.method} is none of {', '.join(access.allowed_methods)}")
    if asked.method in access.denied_methods:
        yield _refused("deniedMethods", f"{asked.method} is kept out")
    if (access.allowed_methods or access.denied_methods) and any(map(way.has, _OVERRIDES)):
        name = "allowedMethods" if access.allowed_methods else "deniedMethods"
        yield _refused(name, "a header names another method, which some services would go by")


def is_within(address: IpAddress, networks: Iterable[str]) -> bool:
    """Return whether an address is in one of some networks, as HAProxy compares the two versions of IP."""
    forms = {address, *_as_ipv4(address)} if address.version != 4 else {address, _mapped(address)}  # noqa: PLR2004
    return any(form in ip_network(network) for network in networks for form in forms)


def _mapped(address: IpAddress) -> IpAddress:
    return ip_address(f"::ffff:{address}")


def _as_ipv4(address: IPv4Address | IPv6Address) -> Iterator[IPv4Address]:
    """Yield the address of IPv4 that one of IPv6 stands for, if it does."""
    if isinstance(address, IPv6Address):
        compatible = IPv4Address(int(address)) if not int(address) >> (128 - _COMPATIBLE_BITS) else None
        yield from filter(None, (address.ipv4_mapped, address.sixtofour, compatible))


def _limits(way: OnTheWay) -> Iterator[Step]:
    rate = way.backend.destination.limits.rate_limit
    if rate is not None:
        yield _asked("rateLimit", f"a client may send {rate.requests} requests in {rate.seconds} s; more get 429")


def _redirects(way: OnTheWay) -> Iterator[Step]:
    redirects, asked = way.backend.destination.redirects, way.arrival.asked
    told = [value.lower() for value in way.header("x-forwarded-proto")]
    conditions = (
        ("httpsOnly", redirects.https_only and not asked.secure),
        ("redirectWhenHttpProto", redirects.redirect_when_http_proto and b"http" in told),
        ("redirectUnlessHttpsProto", redirects.redirect_unless_https_proto and b"https" not in told),
    )
    name = next((name for name, holds in conditions if holds), None)
    if name is None:
        return
    if asked.path.startswith(ACME_PREFIX):
        yield _changed(name, "not redirected, since challenges of certificate authorities are fetched by HTTP")
        return
    yield Step(
        kind=StepKind.REDIRECTED,
        label=_label(name),
        message="sent on to HTTPS",
        status=int(redirects.https_redirect_code or FOUND),
        location=f"https://{asked.host}{asked.target}",
    )


def _client_certificates(way: OnTheWay) -> Iterator[Step]:
    if not way.backend.destination.client_certificates.verify_client_ssl:
        return
    if not way.arrival.asked.secure:
        yield _refused("verifyClientSsl", "there is no client certificate without TLS")
    else:
        yield _asked("verifyClientSsl", "the client must show a certificate of an authority in CA_FILE, or gets 403")


def _authentication(way: OnTheWay) -> Iterator[Step]:
    users = way.backend.user_list
    if users is None:
        return
    own = way.backend.destination.authentication
    name = "users" if own.users else "usersSecret" if own.users_secret else ""
    label, realm = _label(name) if name else "USERS", users.realm
    if way.has("authorization"):
        message = f"the user and password for {realm} are checked, which is not done here; wrong ones get 401"
        yield Step(kind=StepKind.ASKED, label=label, message=message)
    else:
        message = f"a user and a password for {realm} are asked for, and there is no header Authorization"
        yield Step(kind=StepKind.ASKED, label=label, message=message, status=UNAUTHORIZED)


def _headers(way: OnTheWay) -> Iterator[Step]:
    headers = way.backend.destination.headers
    for name, values, words in (
        ("addReqHeader", headers.add_req_header, "adds the header"),
        ("setReqHeader", headers.set_req_header, "sets the header"),
        ("addResHeader", headers.add_res_header, "adds to the answer the header"),
        ("setResHeader", headers.set_res_header, "sets in the answer the header"),
    ):
        yield from (_changed(name, f"{words} {each.name}{_if(each)}") for each in values)
    for name, names, words in (
        ("delReqHeader", headers.del_req_header, "takes away the header"),
        ("delResHeader", headers.del_res_header, "takes from the answer the header"),
    ):
        yield from (_changed(name, f"{words} {each}") for each in names)


def _if(header: HeaderValue) -> str:
    return ", under a condition" if header.condition else ""


def _rewriting(way: OnTheWay) -> Iterator[Step]:
    """Yield what becomes of the path, and of an odd one whether a substitution would be got around by it."""
    arrival, rewriting = way.arrival, way.backend.destination.rewriting
    name = "reqPathSearchReplace" if rewriting.req_path_search_replace else "reqPathSearch"
    sent = before = arrival.asked.path.encode()
    meant, substitute = arrival.facts.path, arrival.facts.expressions.substituted
    for rewrite in rewriting.rewrites:
        change = partial(substitute, rewrite.search, rewrite.replace, flags=rewrite.flags)
        rewritten = _slashed(change(text=sent))
        wanted = _slashed(change(text=meant)) if arrival.odd else meant
        if rewritten is None or wanted is None:
            yield _asked(name, f"the path may be rewritten by {rewrite.search}, which only HAProxy can tell")
            return
        if arrival.odd and rewritten == sent and wanted != meant:
            yield _refused(name, "the path is written so that it would get around being rewritten", BAD_REQUEST)
        sent, meant = rewritten, wanted
    if sent != before:
        yield _changed(name, f"the path becomes {sent.decode(errors='replace')}")


def _slashed(path: bytes | None) -> bytes | None:
    """Return a path with the slash that a substitution may have taken away."""
    return path if path is None or path.startswith(b"/") else b"/" + path


def _others(way: OnTheWay) -> Iterator[Step]:
    """Yield the labels in force whose effect does not depend on the request."""
    destination, lines = way.backend.destination, len(way.backend.template)
    for row in TABLE.values():
        if row.family in _AS_THEY_ARE and row.label.is_shown:
            family = getattr(destination, row.family)
            value = getattr(family, row.field)
            if value and value != type(family).model_fields[row.field].default:
                yield _changed(row.name, f"is {_shown(value)}")
    extra = len(destination.custom.backend_extra)
    for name, count in (("backendExtra", extra), ("templateBePath", lines)):
        if count:
            yield _asked(name, f"{count} lines of HAProxy's own language follow, which may do anything else")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


_AS_THEY_ARE = frozenset({"connection", "compression"})
_FAMILIES: Sequence[_Family] = (
    *(_addresses, _access, _limits, _redirects, _client_certificates, _authentication, _headers, _rewriting, _others),
)
"""In the order of `models.service.Destination`."""
_OF_CONNECTIONS: Sequence[_Family] = (_addresses, _limits)
