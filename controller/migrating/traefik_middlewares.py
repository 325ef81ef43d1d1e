"""What Traefik's middlewares do, in the words of our labels. Pure.

Source: Traefik's documentation, the pages of the HTTP middlewares.
"""

import re
from collections.abc import Callable, Mapping
from types import MappingProxyType

from controller.migrating.body import Body
from controller.migrating.passwords import readable_users
from controller.migrating.translation import Route, UntranslatableError, header, rewrite
from models.labels.rewriting import split_outside_groups

UNKNOWN: Mapping[str, str] = MappingProxyType(
    {
        "retry": "a request that no task has answered is tried again anyway, if nothing speaks against it",
        "buffering": "bodies are not buffered; com.df.backendExtra takes lines such as http-request wait-for-body",
        "circuitbreaker": "a server that fails its checks gets no requests; use com.df.checkHttp",
        "errors": "com.df.backendExtra takes lines such as errorloc302",
        "inflightreq": "com.df.rateLimit bounds how many requests a client sends in a period",
        "contenttype": "answers keep the Content-Type that the service gives them",
        "grpcweb": "it is for the service itself to speak it",
    }
)
"""Kinds that cannot be translated and keep nobody out, with what to do instead."""
RESTRICTING = frozenset({"basicauth", "ipallowlist", "ipwhitelist"})
"""Kinds that keep somebody out: without them a route is better not written."""

_FLAG_TRUE = "true"
_CORS = "write the headers by com.df.setResHeader, or let the service answer them"
_SECURITY_FLAGS = MappingProxyType(
    {
        "framedeny": ("X-Frame-Options", "DENY"),
        "contenttypenosniff": ("X-Content-Type-Options", "nosniff"),
        "browserxssfilter": ("X-XSS-Protection", "1; mode=block"),
    }
)
_SECURITY_VALUES = MappingProxyType(
    {
        "customframeoptionsvalue": "X-Frame-Options",
        "custombrowserxssvalue": "X-XSS-Protection",
        "contentsecuritypolicy": "Content-Security-Policy",
        "contentsecuritypolicyreportonly": "Content-Security-Policy-Report-Only",
        "referrerpolicy": "Referrer-Policy",
        "permissionspolicy": "Permissions-Policy",
    }
)
_STS = ("stsseconds", "stsincludesubdomains", "stspreload", "forcestsheader")
_PERIOD = re.compile(r"(?P<number>[0-9]+)(?P<unit>[smh]?)")


def redirects_to_https(body: Body) -> bool:
    """Whether a middleware sends clients to HTTPS."""
    return body.value("redirectscheme.scheme").lower() == "https"


def _leave_others(body: Body, reason: str) -> None:
    for option, (label, _) in body.options.items():
        if option not in body.taken:
            body.left.setdefault(label, reason)


def _redirect_scheme(body: Body, route: Route) -> None:
    if body.take("scheme").lower() != "https":
        raise UntranslatableError("only HTTPS can be redirected to")
    if body.take("port", "443") not in {"443", ""}:
        raise UntranslatableError("HTTPS is redirected to at its usual port")
    route.put("httpsOnly", "true", *body.labels(("scheme", "port")))
    if "permanent" in body.options:
        code = "301" if body.take("permanent").lower() == _FLAG_TRUE else "302"
        route.put("httpsRedirectCode", code, *body.labels(("permanent",)))
    _leave_others(body, "there is no equivalent")


def _redirect_regex(body: Body, route: Route) -> None:
    """Translate what sends one domain to another, or HTTP to HTTPS, with the same path."""
    to_https = re.fullmatch(r"\^?http://\(\.[*+]\)\$?", body.take("regex"))
    if to_https and re.fullmatch(r"https://\$\{?1\}?", body.take("replacement")):
        route.put("httpsOnly", "true", *body.labels(("regex", "replacement")))
        code = "301" if body.take("permanent").lower() == _FLAG_TRUE else "302"
        route.put("httpsRedirectCode", code, *body.labels(("permanent",)))
        return
    source = re.fullmatch(r"\^?https?\??://\(?(?P<domain>[\w.\\-]+)\)?/?\(\.[*+]\)\$?", body.take("regex"))
    target = re.fullmatch(r"https?://(?P<domain>[\w.-]+)/?\$\{?1\}?", body.take("replacement"))
    domains = route.labels.get("serviceDomain", "").split(",")
    if not (source and target and target["domain"] in domains):
        raise UntranslatableError(
            "only a whole domain can be redirected, to one that the router is for (com.df.redirectFromDomain)"
        )
    wanted, leaving = target["domain"], source["domain"].replace("\\", "")
    route.labels["serviceDomain"] = ",".join([wanted, *(each for each in domains if each not in {wanted, leaving})])
    route.put("redirectFromDomain", leaving, *body.labels(("regex", "replacement", "permanent")))
    if body.take("permanent").lower() != _FLAG_TRUE:
        body.notes.append("redirects from one domain to another: their status is 301 here")


def _strip_prefix(body: Body, route: Route) -> None:
    prefixes = [each.strip() for each in body.take("prefixes").split(",") if each.strip()]
    if not prefixes or body.take("forceslash", _FLAG_TRUE).lower() != _FLAG_TRUE:
        raise UntranslatableError("paths begin with a '/' here, always; use com.df.reqPathSearchReplace")
    search = f"^({'|'.join(map(re.escape, prefixes))})/?"
    route.put("reqPathSearchReplace", rewrite(search, "/"), *body.labels(("prefixes", "forceslash")))
    body.notes.append("stripped prefixes: Traefik tells them in X-Forwarded-Prefix, Swarmgate does not")


def _strip_prefix_regex(body: Body, route: Route) -> None:
    try:
        expressions = [each.strip() for each in split_outside_groups(body.take("regex"), ",")]
    except ValueError as error:
        raise UntranslatableError(f"the expression {error}") from None
    search = f"^(?:{'|'.join(each.removeprefix('^') for each in expressions)})/?"
    route.put("reqPathSearchReplace", rewrite(search, "/"), *body.labels(("regex",)))


def _add_prefix(body: Body, route: Route) -> None:
    prefix = "/" + body.take("prefix").strip("/")
    route.put("reqPathSearchReplace", rewrite("^/", _no_references(f"{prefix}/")), *body.labels(("prefix",)))


def _replace_path(body: Body, route: Route) -> None:
    route.put("reqPathSearchReplace", rewrite("^.*", _no_references(body.take("path"))), *body.labels(("path",)))


def _no_references(text: str) -> str:
    if "\\" in text:
        raise UntranslatableError("a backslash cannot be part of a path")
    return text


def _replace_path_regex(body: Body, route: Route) -> None:
    search = body.take("regex")
    replacement = re.sub(
        r"\$(?:\{([0-9])\}|([0-9])(?![0-9A-Za-z_]))", r"\\\1\2", _no_references(body.take("replacement"))
    )
    if "$" in replacement:
        raise UntranslatableError("groups with names cannot be referred to; number them ($1)")
    flags = "" if search.startswith("^") else "g"
    labels = body.labels(("regex", "replacement"))
    route.put("reqPathSearchReplace", rewrite(search, replacement, flags), *labels)


def _headers(body: Body, route: Route) -> None:
    for option, (label, value) in body.options.items():
        group, _, name = option.partition(".")
        try:
            if group in {"customrequestheaders", "customresponseheaders"}:
                _put_header(route, "Req" if "request" in group else "Res", _as_written(label, name), value, label)
            elif option in _SECURITY_FLAGS:
                _put_flag(body, route, label, option)
            elif option in _SECURITY_VALUES:
                _put_header(route, "Res", _SECURITY_VALUES[option], value, label)
            elif option not in _STS:
                body.left[label] = _CORS if group.startswith("accesscontrol") else "there is no equivalent"
        except UntranslatableError as error:
            body.left[label] = str(error)
    _put_strict_transport(body, route)


def _as_written(label: str, name: str) -> str:
    return label[len(label) - len(name) :]


def _put_header(route: Route, part: str, name: str, value: str, label: str) -> None:
    if value:
        route.put(f"set{part}Header", header(name, value), label)
    else:
        route.put(f"del{part}Header", name, label)


def _put_flag(body: Body, route: Route, label: str, option: str) -> None:
    if body.value(option).lower() == _FLAG_TRUE:
        route.put("setResHeader", header(*_SECURITY_FLAGS[option]), label)
    else:
        body.needless.add(label)


def _put_strict_transport(body: Body, route: Route) -> None:
    labels = body.labels(_STS)
    seconds = body.value("stsseconds", "0")
    if seconds == "0":
        body.needless.update(labels)
        return
    value = f"max-age={seconds}"
    for option, word in (("stsincludesubdomains", "includeSubDomains"), ("stspreload", "preload")):
        if body.value(option).lower() == _FLAG_TRUE:
            value += f"; {word}"
    always = body.value("forcestsheader").lower() == _FLAG_TRUE
    item = header("Strict-Transport-Security", value, "" if always else "if { ssl_fc }")
    route.put("setResHeader", item, *labels)


def _basic_auth(body: Body, route: Route) -> None:
    if not body.take("users"):
        raise UntranslatableError("users cannot be read from a file; put them into a secret, see com.df.usersSecret")
    route.put("users", readable_users(body.value("users")), *body.labels(("users",)))
    route.put("usersPassEncrypted", "true", *body.labels(("users",)))
    if body.take("removeheader").lower() == _FLAG_TRUE:
        route.put("delReqHeader", "Authorization", *body.labels(("removeheader",)))
    elif "removeheader" in body.options:
        body.needless.update(body.labels(("removeheader",)))
    _leave_others(body, "the realm is the service's name, and services are not told who it is but by Authorization")


def _allowed_sources(body: Body, route: Route) -> None:
    route.put("allowedSrc", body.take("sourcerange"), *body.labels(("sourcerange",)))
    if not body.value("sourcerange"):
        raise UntranslatableError("it names no addresses")
    _leave_others(body, "whose word on a client's address counts is said by the proxy's TRUSTED_PROXIES")


def _rate_limit(body: Body, route: Route) -> None:
    average, burst = body.take("average", "0"), body.take("burst", "1")
    period = _PERIOD.fullmatch(body.take("period", "1s"))
    if average == "0":
        body.needless.update(label for label, _ in body.options.values())
        return
    if not (average.isdecimal() and burst.isdecimal() and period):
        raise UntranslatableError("average and burst have to be whole numbers, the period one with s, m or h")
    rate = f"{int(average) + int(burst)}/{period['number']}{period['unit'] or 's'}"
    route.put("rateLimit", rate, *body.labels(("average", "burst", "period")))
    body.notes.append("rate limits: Traefik allows a burst beside the average, Swarmgate both together in each period")
    _leave_others(body, "clients are told apart by their addresses; see the proxy's TRUSTED_PROXIES")


def _compress(body: Body, route: Route) -> None:
    if body.take("").lower() == "false":
        body.needless.update(body.labels(("",)))
        return
    route.put("compressionAlgo", "gzip", *body.labels(("",)))
    if body.take("includedcontenttypes"):
        kinds = body.value("includedcontenttypes").replace(",", " ")
        route.put("compressionType", " ".join(kinds.split()), *body.labels(("includedcontenttypes",)))
        route.origins["compressionAlgo"].update(body.labels(("includedcontenttypes",)))
    _leave_others(body, "use com.df.compressionType, which names the types that are compressed")


KINDS: Mapping[str, Callable[[Body, Route], None]] = MappingProxyType(
    {
        "redirectscheme": _redirect_scheme,
        "redirectregex": _redirect_regex,
        "stripprefix": _strip_prefix,
        "stripprefixregex": _strip_prefix_regex,
        "addprefix": _add_prefix,
        "replacepath": _replace_path,
        "replacepathregex": _replace_path_regex,
        "headers": _headers,
        "basicauth": _basic_auth,
        "ipallowlist": _allowed_sources,
        "ipwhitelist": _allowed_sources,
        "ratelimit": _rate_limit,
        "compress": _compress,
    }
)
"""What each kind of middleware adds to a route, and which of its options are left (`Body`)."""
