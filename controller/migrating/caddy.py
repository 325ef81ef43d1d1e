"""Labels of caddy-docker-proxy: the sites of a Caddyfile, and the few directives that have an equivalent. Pure.

Source: caddy-docker-proxy's documentation, "Labels to Caddyfile conversion", and Caddy's, "Caddyfile".
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from controller.migrating.passwords import readable_users
from controller.migrating.traefik_rules import WILDCARD_NOTE
from controller.migrating.translation import (
    Draft,
    Route,
    Services,
    Translation,
    UntranslatableError,
    header,
    listed,
    rewrite,
    settled,
)

_SITE = re.compile(r"caddy(?P<number>_[0-9]+)?(?:\.(?P<rest>.*))?")
_NUMBER = re.compile(r"^[0-9]+_|_[0-9]+$")
_ADDRESS = re.compile(r"(?:(?P<scheme>https?)://)?(?P<host>[^:/]*)(?::(?P<port>[0-9]+))?")
_UPSTREAMS = re.compile(r"\{\{\s*upstreams(?:\s+(?P<scheme>[a-z0-9]+))??(?:\s+(?P<port>[0-9]+|zvar[0-9]+z))?\s*\}\}")
_TOKEN = re.compile(r"\{\{[^}]*\}\}|\"(?:[^\"\\]|\\.)*\"|`[^`]*`|\S+")
_HARMLESS: Mapping[str, str] = MappingProxyType(
    {
        "header_down": "use com.df.setResHeader and com.df.delResHeader",
        "templates": "answers are passed on as they come",
        "metrics": "the proxy's own are at /metrics",
        "tracing": "use com.df.setReqHeader",
        "push": "HAProxy does not push",
        "bind": "the proxy's ports are those of DEFAULT_PORTS and com.df.srcPort",
        "request_body": "bodies are not bounded; com.df.backendExtra takes lines such as http-request wait-for-body",
    }
)
"""Directives without an equivalent that keep nobody out and answer nothing themselves."""
_TLS_NOTE = (
    "TLS: Swarmgate obtains no certificates; it serves those in the proxy's secrets cert-* and in com.df.serviceCert. "
    "Caddy sends HTTP to HTTPS by itself, here com.df.httpsOnly=true does, or HTTPS_ONLY for all"
)
_PERMANENT = frozenset({"permanent", "301"})


@dataclass(slots=True)
class _Directive:
    """A directive with its arguments, and those inside it; ``label`` is empty if only the inner ones are labels."""

    name: str
    label: str = ""
    arguments: list[str] = field(default_factory=list)
    inner: dict[str, "_Directive"] = field(default_factory=dict)

    def all_labels(self) -> Iterator[str]:
        if self.label:
            yield self.label
        for each in self.inner.values():
            yield from each.all_labels()

    def add(self, path: list[str], label: str, value: str) -> None:
        if not path:
            self.label, self.arguments = label, [_unquoted(each) for each in _TOKEN.findall(value)]
            return
        self.inner.setdefault(path[0], _Directive(_NUMBER.sub("", path[0]))).add(path[1:], label, value)


def _unquoted(token: str) -> str:
    return token[1:-1] if len(token) > 1 and token[0] == token[-1] and token[0] in '"`' else token


def translate(services: Services) -> Mapping[str, Translation]:
    """Translate the services that have labels of caddy-docker-proxy."""
    return settled(_translate_service(name, labels) for name, labels in services.items())


def _translate_service(name: str, labels: Mapping[str, str]) -> Draft:
    draft = Draft(
        name, {key: value for key, value in labels.items() if key == "caddy" or key.startswith(("caddy.", "caddy_"))}
    )
    sites: dict[str, _Directive] = {}
    for label, value in draft.given.items():
        match = _SITE.fullmatch(label)
        if match:
            path = match["rest"].split(".") if match["rest"] else []
            sites.setdefault(match["number"] or "", _Directive("")).add(path, label, value)
        elif label == "caddy_ingress_network":
            draft.wide.put("network", value, label)
        else:
            draft.untranslated(label, "it is about Caddy itself")
    redirecting = [site for site in sites.values() if [*_names(site)] == ["redir"]]
    for site in [*(each for each in sites.values() if each not in redirecting), *redirecting]:
        _translate_site(draft, site)
    return draft


def _names(site: _Directive) -> Iterator[str]:
    return (each.name for each in site.inner.values())


def _translate_site(draft: Draft, site: _Directive) -> None:
    try:
        domains = _domains(draft, site)
        if [*_names(site)] == ["redir"]:
            _redirect(draft, site, domains)
        else:
            draft.routes += _routes(draft, site, domains)
            draft.note(_TLS_NOTE)
    except UntranslatableError as error:
        for label in site.all_labels():
            draft.untranslated(label, str(error))


def _domains(draft: Draft, site: _Directive) -> str:
    """Return the domains of a site; empty if it is for all.

    Raises:
        UntranslatableError: it is no site, or one at another place than the proxy's usual ports.
    """
    if not site.arguments:
        raise UntranslatableError("options of Caddy itself have no equivalent; those of the proxy are its variables")
    if site.arguments[0].startswith("("):
        raise UntranslatableError("snippets have no equivalent; give each service what is in it")
    hosts = list[str]()
    for address in " ".join(site.arguments).replace(",", " ").split():
        match = _ADDRESS.fullmatch(address)
        if not match or match["port"] not in {None, "80", "443"}:
            raise UntranslatableError(
                f"the address {address} has a path or a port; see com.df.servicePath, com.df.srcPort"
            )
        hosts.append(match["host"].lower())
    if "" in hosts:
        return ""
    if any(host.startswith("*") for host in hosts):
        draft.note(WILDCARD_NOTE.replace("Traefik", "Caddy"))
    return listed(hosts)


def _routes(draft: Draft, site: _Directive, domains: str) -> list[Route]:
    """Return a route for each place that a site sends requests to.

    Raises:
        UntranslatableError: something in the site may keep somebody out, or answers itself.
    """
    common, routes = Route(), list[Route]()
    for each in site.inner.values():
        if each.name in _COMMON:
            _COMMON[each.name](draft, each, common)
        elif each.name not in _ROUTES and each.name not in _HARMLESS:
            raise UntranslatableError(f"{each.name} has no equivalent, and may decide who is answered what")
    for each in site.inner.values():
        if each.name in _ROUTES:
            route = Route()
            _ROUTES[each.name](draft, each, route)
            routes.append(route)
        elif each.name in _HARMLESS:
            for label in each.all_labels():
                draft.untranslated(label, _HARMLESS[each.name])
    if not routes:
        raise UntranslatableError("nothing in it sends requests to a service")
    for route in routes:
        _complete(route, common, domains, site.label)
    return routes


def _complete(route: Route, common: Route, domains: str, label: str) -> None:
    if domains:
        route.put("serviceDomain", domains, label)
    else:
        route.labels.setdefault("servicePath", "/")
        route.origins.setdefault("servicePath", set()).add(label)
    for name, value in common.labels.items():
        route.put(name, value, *common.origins[name])


def _redirect(draft: Draft, site: _Directive, domains: str) -> None:
    """Lead the domains of a site to another site of the service."""
    directive = next(iter(site.inner.values()))
    match = re.fullmatch(r"(?:https?|\{scheme\})://(?P<domain>[\w.-]+)\{uri\}", next(iter(directive.arguments), ""))
    target = match["domain"].lower() if match else ""
    route = next((each for each in draft.routes if target in each.labels.get("serviceDomain", "").split(",")), None)
    if route is None or not domains:
        raise UntranslatableError(
            "a whole domain can be redirected, with the same path, to one that the service has a site for "
            "(com.df.redirectFromDomain)"
        )
    others = [each for each in route.labels["serviceDomain"].split(",") if each != target]
    route.labels["serviceDomain"] = listed([target, *others])
    known = route.labels.pop("redirectFromDomain", "")
    route.put("redirectFromDomain", listed([*filter(None, known.split(",")), *domains.split(",")]), *site.all_labels())
    if not _PERMANENT & {*directive.arguments[1:]}:
        draft.note("redirects from one domain to another: their status is 301 here")


def _match(directive: _Directive, route: Route) -> list[str]:
    """Take the matcher off the arguments of a directive, and return the others.

    Raises:
        UntranslatableError: it is not a path.
    """
    first, *others = directive.arguments or ["*"]
    if first == "*":
        return others
    if first.startswith("@"):
        raise UntranslatableError(
            f"the matcher {first} has no equivalent; see com.df.serviceHeader, com.df.servicePath"
        )
    if not first.startswith("/"):
        return directive.arguments
    path = first.removesuffix("*")
    if "*" in path:
        raise UntranslatableError(f"{first}: only at the end of a path a * can stand")
    route.put("servicePath", path, *directive.all_labels())
    if not first.endswith("*"):
        route.put("pathType", "path", *directive.all_labels())
    return others


def _reverse_proxy(draft: Draft, directive: _Directive, route: Route) -> None:
    targets = _match(directive, route)
    match = _UPSTREAMS.fullmatch(targets[0]) if len(targets) == 1 else None
    if match is None:
        raise UntranslatableError(
            "only the service itself ({{upstreams 8080}}) can be asked; see com.df.outboundHostname"
        )
    scheme = match["scheme"] or "http"
    if scheme not in {"http", "https"}:
        raise UntranslatableError(f"servers that speak {scheme} cannot be asked")
    route.put("port", match["port"] or ("443" if scheme == "https" else "80"), directive.label)
    if scheme == "https":
        route.put("sslVerifyNone", "true", directive.label)
        draft.note(
            "servers that speak HTTPS: their certificates are not verified; com.df.sslVerifyCa has them verified"
        )
    for each in directive.inner.values():
        _proxy_option(draft, each, route)


def _proxy_option(draft: Draft, option: _Directive, route: Route) -> None:
    try:
        if option.name == "health_uri" and option.arguments:
            route.put("checkHttp", option.arguments[0], option.label)
        elif option.name in {"header_up", "header_down"}:
            _put_headers(option, route, "Req" if option.name == "header_up" else "Res")
        else:
            raise UntranslatableError("there is no equivalent; see com.df.backendExtra")  # noqa: TRY301  told below
    except UntranslatableError as error:
        for label in option.all_labels():
            draft.untranslated(label, str(error))


def _put_headers(directive: _Directive, route: Route, part: str) -> None:
    """Put what a directive says of headers, by its arguments or by directives inside it."""
    items = [(directive.label, directive.arguments)] if directive.label and directive.arguments else []
    items += [(each.label, [each.name, *each.arguments]) for each in directive.inner.values()]
    for label, (name, *value) in items:
        if name.startswith("-") and not value:
            route.put(f"del{part}Header", name[1:], label)
        elif len(value) != 1 or name.startswith(("?", ">", "@", "/", "-", "*")) or "{" in value[0]:
            raise UntranslatableError(
                "only headers that are set, added or taken out can be written, without placeholders"
            )
        else:
            verb = "add" if name.startswith("+") else "set"
            route.put(f"{verb}{part}Header", header(name.removeprefix("+"), value[0]), label)


def _handle(draft: Draft, directive: _Directive, route: Route) -> None:
    """Translate a block for a path, with one reverse_proxy in it and what changes the path before."""
    outer = _Directive(directive.name, directive.label, [*directive.arguments])
    if _match(outer, route):
        raise UntranslatableError(f"{directive.name} has more than one matcher")
    if directive.name == "handle_path":
        prefix = route.labels.get("servicePath", "").rstrip("/")
        route.put("reqPathSearchReplace", rewrite(f"^{re.escape(prefix)}/?", "/"), directive.label)
    kinds = [each.name for each in directive.inner.values()]
    if kinds.count("reverse_proxy") != 1:
        raise UntranslatableError(f"{directive.name} has no reverse_proxy in it, or several")
    for each in directive.inner.values():
        if each.name == "reverse_proxy":
            inside = Route()
            _reverse_proxy(draft, each, inside)
            if "servicePath" in inside.labels:
                raise UntranslatableError(f"a path within a {directive.name} cannot be told apart")
            for name, value in inside.labels.items():
                route.put(name, value, *inside.origins[name])
        elif each.name in _COMMON:
            _COMMON[each.name](draft, each, route)
        else:
            raise UntranslatableError(f"{each.name} has no equivalent, and may decide who is answered what")


def _whole(directive: _Directive) -> list[str]:
    """Return the arguments of a directive that is for all requests of its site."""
    route = Route()
    arguments = _match(directive, route)
    if route.labels:
        raise UntranslatableError(f"{directive.name} for a part of the paths has no equivalent")
    return arguments


def _basic_auth(_: Draft, directive: _Directive, route: Route) -> None:
    _whole(directive)
    inner = [*directive.inner.items()]
    if not inner:
        raise UntranslatableError("it names no users")
    users = readable_users(",".join(f"{name}:{next(iter(each.arguments), '')}" for name, each in inner))
    route.put("users", users, *directive.all_labels())
    route.put("usersPassEncrypted", "true", *directive.all_labels())


def _encode(_: Draft, directive: _Directive, route: Route) -> None:
    if "gzip" not in _whole(directive):
        raise UntranslatableError("only gzip is known")
    route.put("compressionAlgo", "gzip", *directive.all_labels())


def _header(draft: Draft, directive: _Directive, route: Route) -> None:
    try:
        _put_headers(directive, route, "Res")
    except UntranslatableError as error:
        for label in directive.all_labels():
            draft.untranslated(label, str(error))


def _tls(draft: Draft, directive: _Directive, _: Route) -> None:
    if any(each.name == "client_auth" for each in directive.inner.values()):
        raise UntranslatableError(
            "clients are asked for certificates by com.df.verifyClientSsl, with the proxy's CA_FILE"
        )
    for label in directive.all_labels():
        draft.needless(label, "the proxy's certificates decide; see the note")


def _log(draft: Draft, directive: _Directive, _: Route) -> None:
    for label in directive.all_labels():
        draft.needless(label, "the proxy logs all requests")


def _uri(_: Draft, directive: _Directive, route: Route) -> None:
    match _whole(directive):
        case ["strip_prefix", prefix]:
            value = rewrite(f"^{re.escape('/' + prefix.strip('/'))}/?", "/")
            route.put("reqPathSearchReplace", value, *directive.all_labels())
        case _:
            raise UntranslatableError("use com.df.reqPathSearchReplace")


def _rewrite(_: Draft, directive: _Directive, route: Route) -> None:
    match [*directive.arguments]:
        case ["*", target] | [target] if re.fullmatch(r"(/[\w.~-]+)+/?\{(path|uri)\}", target):
            prefix = target.partition("{")[0].rstrip("/")
            route.put("reqPathSearchReplace", rewrite("^/", f"{prefix}/"), *directive.all_labels())
        case _:
            raise UntranslatableError("use com.df.reqPathSearchReplace")


_Translator = Callable[[Draft, _Directive, Route], None]
_COMMON: Mapping[str, _Translator] = MappingProxyType(
    {
        "basicauth": _basic_auth,
        "basic_auth": _basic_auth,
        "encode": _encode,
        "header": _header,
        "log": _log,
        "tls": _tls,
        "uri": _uri,
        "rewrite": _rewrite,
    }
)
"""Directives that hold for all routes of a site, or of a block."""
_ROUTES: Mapping[str, _Translator] = MappingProxyType(
    {"reverse_proxy": _reverse_proxy, "handle": _handle, "handle_path": _handle}
)
"""Directives that send requests somewhere."""
