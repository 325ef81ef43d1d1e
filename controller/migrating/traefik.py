"""Traefik's labels of Swarm services: routers, what they lead to, and on which conditions. Pure.

Source: Traefik's documentation, "Swarm" among the providers, "Rules & Priority", and the pages of the middlewares.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from controller.migrating.body import Body
from controller.migrating.traefik_middlewares import KINDS, RESTRICTING, UNKNOWN, redirects_to_https
from controller.migrating.traefik_rules import claims, connection_claims
from controller.migrating.translation import Draft, Route, Services, Translation, UntranslatableError

_PREFIX = "traefik."
_USUAL_ENTRYPOINTS = frozenset({"web", "websecure", "http", "https"})
_NAME = 3
"""Where a router, service or middleware has its name among the parts of a label."""
_FALSE = frozenset({"false", "0", "f"})
_PORTS_NOTE = (
    "entry points and TLS: Swarmgate answers every route by HTTP and by HTTPS, on the ports that the proxy's "
    "DEFAULT_PORTS and the certificates it has (secrets cert-*, serviceCert) give it; it obtains no certificates. "
    "Set com.df.httpsOnly=true, or HTTPS_ONLY for all, where HTTP must not be answered"
)
_ROUTER_NEEDLESS = {
    "entrypoints": "the proxy's ports decide; see the note",
    "tls": "the proxy's certificates decide; see the note",
    "rulesyntax": "both syntaxes are read",
    "observability": "the proxy logs and counts all requests",
}
_SERVICE_REASONS = {
    "sticky": "the cookie is named after the service, and made as the proxy makes it; take it out",
    "healthcheck": "checks are made as often as the proxy makes them, by GET; only path and status can be chosen",
    "passhostheader": "the Host of the request is passed on, always",
    "serverstransport": "use com.df.sslVerifyCa, com.df.sslVerifyNone or com.df.timeoutServer",
    "server": "use com.df.outboundHostname for other hosts, com.df.trafficGroup and com.df.weight for weights",
    "responseforwarding": "answers are passed on as they come",
}


@dataclass(slots=True)
class _Found:
    """Everything of one kind that a service declares, by name."""

    named: dict[str, Body] = field(default_factory=dict)

    def add(self, name: str, option: str, label: str, value: str) -> None:
        self.named.setdefault(name, Body()).options[option] = (label, value)


@dataclass(slots=True)
class _Service:
    """What one service declares, by protocol and kind (``http.routers``)."""

    draft: Draft
    found: dict[str, _Found] = field(default_factory=dict)

    def of(self, kind: str) -> Mapping[str, Body]:
        return self.found.get(kind, _Found()).named


def translate(services: Services) -> Mapping[str, Translation]:
    """Translate the services that have labels of Traefik."""
    read = {name: _read(name, labels) for name, labels in services.items()}
    read = {name: service for name, service in read.items() if service.draft.given}
    shared = {name: body for each in read.values() for name, body in each.of("http.middlewares").items()}
    for each in read.values():
        _translate_service(each, shared)
    for each in read.values():
        each.draft.settle()
    _tell_owners([each.draft for each in read.values()])
    return {name: each.draft.translation() for name, each in read.items()}


def _tell_owners(drafts: Sequence[Draft]) -> None:
    """Tell a service that declares a middleware what became of it where it is used."""
    for owner in drafts:
        for user in drafts:
            for label, outcome in list(user.told.items()):
                if label in owner.given and label not in user.given and label not in owner.told:
                    owner.told[label] = replace(outcome, text=f"{outcome.text} (service {user.service})")
        for label in owner.given:
            if ".middlewares." in label.lower() and label not in owner.told:
                owner.untranslated(label, "no router in this file that could be translated uses it")


def _read(name: str, labels: Mapping[str, str]) -> _Service:
    """Sort a service's labels by what they are about; the simple ones are dealt with at once."""
    service = _Service(Draft(name, {key: value for key, value in labels.items() if key.lower().startswith(_PREFIX)}))
    for label, value in service.draft.given.items():
        parts = label.lower().split(".")
        if parts[1] in {"http", "tcp"} and len(parts) > _NAME:
            option = ".".join(parts[_NAME + 1 :])
            service.found.setdefault(".".join(parts[1:3]), _Found()).add(parts[_NAME], option, label, value)
        else:
            _read_general(service.draft, label, parts, value)
    return service


def _read_general(draft: Draft, label: str, parts: Sequence[str], value: str) -> None:
    match parts[1:]:
        case ["enable"]:
            draft.notify = "false" if value.lower() in _FALSE else "true"
            draft.wide.origins["notify"] = {label}
            if draft.notify == "false":
                draft.needless(label, "a service that does not ask for it is not published")
        case ["swarm" | "docker", "network"]:
            _put_network(draft, label, value)
        case ["swarm" | "docker", "lbswarm"]:
            draft.needless(label, "Swarm balances, unless com.df.discoveryType=tasks")
        case ["udp", *_]:
            draft.untranslated(label, "HAProxy does not proxy UDP; publish the port of the service itself")
        case ["tls", *_]:
            draft.untranslated(label, "options of TLS are the proxy's: SSL_BIND_OPTIONS, SSL_BIND_CIPHERS")
        case _:
            draft.untranslated(label, "it is not known here")


def _put_network(draft: Draft, label: str, value: str) -> None:
    try:
        draft.wide.put("network", value, label)
    except UntranslatableError as error:
        draft.untranslated(label, str(error))


def _translate_service(service: _Service, shared: Mapping[str, Body]) -> None:
    """Make the routes of a service, and have a word for each of its labels."""
    middlewares = {**shared, **service.of("http.middlewares")}
    http = service.of("http.routers")
    for router in _in_order(http, middlewares):
        _make_routes(service, router, http, middlewares)
    tcp = service.of("tcp.routers")
    for router in tcp.values():
        _make_connection_routes(service, router, service.of("tcp.middlewares"))
    for kind in ("http.services", "tcp.services"):
        for body in service.of(kind).values():
            _tell_of_the_rest(service.draft, body)


def _tell_of_the_rest(draft: Draft, body: Body) -> None:
    for option, (label, _) in body.options.items():
        kind = option.removeprefix("loadbalancer.").partition(".")[0]
        if option not in body.taken and option != "loadbalancer.server.port":
            draft.untranslated(label, _SERVICE_REASONS.get(kind, "there is no equivalent"))


def _in_order(routers: Mapping[str, Body], middlewares: Mapping[str, Body]) -> list[Body]:
    """Return routers with those that only lead to HTTPS behind their twins, which they become a part of."""
    return sorted(routers.values(), key=lambda router: _only_redirects(router, middlewares))


def _only_redirects(router: Body, middlewares: Mapping[str, Body]) -> bool:
    return any(redirects_to_https(body) for _, body in _used(router, middlewares) if body)


def _used(
    router: Body, middlewares: Mapping[str, Body], seen: frozenset[str] = frozenset()
) -> Iterator[tuple[str, Body | None]]:
    """Return the middlewares of a router in their order, chains unfolded; None for one that is not in this file."""
    names = router.value("middlewares") if not seen else router.value("chain.middlewares")
    for item in filter(None, (item.strip().lower() for item in names.split(","))):
        name, _, provider = item.partition("@")
        body = middlewares.get(name) if provider in {"", "docker", "swarm"} else None
        if body and "chain.middlewares" in body.options and name not in seen:
            yield from _used(body, middlewares, seen | {name})
        else:
            yield item, body


@contextmanager
def _told_of(draft: Draft, router: Body) -> Iterator[list[Route]]:
    """Collect the routes of a router, which are kept if all of it can be translated; otherwise each label is named."""
    routes = list[Route]()
    try:
        yield routes
    except UntranslatableError as error:
        for label, _ in router.options.values():
            draft.untranslated(label, str(error))
        return
    if routes:
        draft.routes += routes
        _tell_of_router(draft, router)


def _make_routes(service: _Service, router: Body, routers: Mapping[str, Body], middlewares: Mapping[str, Body]) -> None:
    draft = service.draft
    with _told_of(draft, router) as routes:
        _check_access(router)
        twin = _twin(router, routers, middlewares)
        if twin is not None:
            _redirect_twin(draft, router, twin, middlewares)
            return
        port = _target(router, service.of("http.services"), "http")
        for claim, notes in claims(router.value("rule")):
            route = Route(parts=set(router.labels(("middlewares", "service"))))
            for name, value in claim.items():
                route.put(name, value, router.label("rule"))
            _add_target(route, port, router, draft)
            _add_middlewares(draft, route, router, middlewares)
            routes.append(route)
            for note in notes:
                draft.note(note)


def _check_access(router: Body) -> None:
    """See to it that nobody is let in who was kept out by where or how the router is reached.

    Raises:
        UntranslatableError: somebody might be.
    """
    if router.value("tls.options").partition("@")[0] not in {"", "default"}:
        raise UntranslatableError(
            f"tls.options={router.value('tls.options')} may ask clients for certificates; write the route with "
            "com.df.verifyClientSsl=true if it does"
        )
    unusual = [
        name
        for name in (name.strip().lower() for name in router.value("entrypoints").split(","))
        if name and name not in _USUAL_ENTRYPOINTS
    ]
    if unusual:
        raise UntranslatableError(
            f"the entry point {unusual[0]} may be one that not everybody can reach; write the route with "
            "com.df.srcPort=<its port>, which the proxy must have in DEFAULT_PORTS"
        )


def _twin(router: Body, routers: Mapping[str, Body], middlewares: Mapping[str, Body]) -> Body | None:
    """Return the router with the same rule that answers what this one only leads to HTTPS."""
    if not _only_redirects(router, middlewares):
        return None
    rule = "".join(router.value("rule").split())
    same = (each for each in routers.values() if each is not router and "".join(each.value("rule").split()) == rule)
    return next((each for each in same if not _only_redirects(each, middlewares)), None)


def _redirect_twin(draft: Draft, router: Body, twin: Body, middlewares: Mapping[str, Body]) -> None:
    """Give the routes of a router's twin what this one is there for."""
    origins = {label for label, _ in twin.options.values()}
    routes = [route for route in draft.routes if origins & route.all_origins]
    if not routes:
        raise UntranslatableError("the router with the same rule, which it leads to, is not translated")
    for route in routes:
        route.origins["port"] |= {label for option, (label, _) in router.options.items() if option == "service"}
        for name, body in _used(router, middlewares):
            if body and redirects_to_https(body):
                _add_middleware(draft, route, name, body)
        route.origins["httpsOnly"].update(
            label for option, (label, _) in router.options.items() if option in {"rule", "middlewares"}
        )
    _tell_of_router(draft, router)


def _target(router: Body, targets: Mapping[str, Body], protocol: str) -> Body:
    """Return what a router leads to.

    Raises:
        UntranslatableError: it is not known, or has no port.
    """
    name = router.value("service").lower().partition("@")
    if name[2] and name[2] not in {"docker", "swarm"}:
        raise UntranslatableError(f"the service {router.value('service')} is none of this file")
    body = targets.get(name[0]) if name[0] else next(iter(targets.values()), None) if len(targets) == 1 else None
    if body is None or not body.value("loadbalancer.server.port"):
        raise UntranslatableError(
            f"it is not known which port it leads to; set traefik.{protocol}.services.<name>.loadbalancer.server.port"
        )
    return body


def _add_target(route: Route, target: Body, router: Body, draft: Draft) -> None:
    """Add the port and what else is said of the servers."""
    route.put("port", target.take("loadbalancer.server.port"), *target.labels(("loadbalancer.server.port",)))
    route.origins["port"] |= set(router.labels(("service",)))
    scheme = target.take("loadbalancer.server.scheme").lower()
    label = target.labels(("loadbalancer.server.scheme",))
    if scheme == "https":
        route.put("sslVerifyNone", "true", *label)
        draft.note(
            "servers that speak HTTPS: their certificates are not verified; com.df.sslVerifyCa has them verified"
        )
    elif scheme not in {"", "http"}:
        raise UntranslatableError(f"servers that speak {scheme} cannot be asked")
    else:
        _needless(draft, label, "HTTP is what is spoken")
    if target.value("loadbalancer.passhostheader").lower() == "true":
        target.taken.add("loadbalancer.passhostheader")
        _needless(draft, target.labels(("loadbalancer.passhostheader",)), "it is, always")
    _add_stickiness(route, target)
    _add_check(route, target)


def _needless(draft: Draft, labels: Iterable[str], reason: str) -> None:
    for label in labels:
        draft.needless(label, reason)


def _add_stickiness(route: Route, target: Body) -> None:
    options = [option for option in target.options if option.startswith("loadbalancer.sticky.cookie")]
    if options and target.value("loadbalancer.sticky.cookie").lower() != "false":
        asked = [option for option in options if option == "loadbalancer.sticky.cookie"]
        target.taken.update(asked)
        route.put("sessionType", "sticky-server", *target.labels(asked))


def _add_check(route: Route, target: Body) -> None:
    path = target.take("loadbalancer.healthcheck.path")
    if path:
        status = target.take("loadbalancer.healthcheck.status")
        labels = target.labels(("loadbalancer.healthcheck.path", "loadbalancer.healthcheck.status"))
        route.put("checkHttp", f"{path},{status}" if status else path, *labels)


def _add_middlewares(draft: Draft, route: Route, router: Body, middlewares: Mapping[str, Body]) -> None:
    """Add what a router's middlewares do.

    Raises:
        UntranslatableError: one of them may keep somebody out, and cannot be translated.
    """
    for name, body in _used(router, middlewares):
        if body is None:
            raise UntranslatableError(
                f"the middleware {name} is not declared in this file; it may restrict access, so the route is left out"
            )
        _add_middleware(draft, route, name, body)
    chains = (body for body in middlewares.values() if "chain.middlewares" in body.options)
    for body in chains:
        _needless(draft, body.labels(("chain.middlewares",)), "its parts are translated where it is used")


def _add_middleware(draft: Draft, route: Route, name: str, body: Body) -> None:
    kinds = {option.partition(".")[0] for option in body.options}
    for kind in sorted(kinds):
        part = body.part(kind)
        try:
            KINDS[kind](part, route) if kind in KINDS else _refuse(kind)
        except UntranslatableError as error:
            for label, _ in part.options.values():
                draft.untranslated(label, str(error))
            if kind in RESTRICTING or kind not in (KINDS.keys() | UNKNOWN.keys()):
                raise UntranslatableError(
                    f"the middleware {name} restricts access and is not translated, so the route is left out"
                ) from None
            continue
        for label, reason in part.left.items():
            draft.untranslated(label, reason)
        for note in part.notes:
            draft.note(note)
        for label in part.needless:
            draft.needless(label, "it is so by itself")


def _refuse(kind: str) -> None:
    raise UntranslatableError(UNKNOWN.get(kind, f"{kind} has no equivalent"))


def _tell_of_router(draft: Draft, router: Body) -> None:
    """Have a word for what is no part of the routes themselves."""
    for option, (label, value) in router.options.items():
        kind = option.partition(".")[0]
        if kind in {"entrypoints", "tls"}:
            draft.note(_PORTS_NOTE)
        if option == "priority" and value != "0":
            draft.untranslated(
                label,
                "Traefik compares it with the lengths of rules, here the more specific domain and the longer path win; "
                "set com.df.priority if that is not what is wanted",
            )
        elif option in {"priority", "middlewares", "service"}:
            draft.needless(label, "it is so by itself" if option == "priority" else "what it names is translated")
        elif kind in _ROUTER_NEEDLESS:
            draft.needless(label, _ROUTER_NEEDLESS[kind])
        elif option != "rule":
            draft.untranslated(label, "there is no equivalent")


def _make_connection_routes(service: _Service, router: Body, middlewares: Mapping[str, Body]) -> None:
    draft = service.draft
    with _told_of(draft, router) as routes:
        target = _target(router, service.of("tcp.services"), "tcp")
        port = target.take("loadbalancer.server.port")
        passthrough = _passes_through(router)
        for claim in connection_claims(router.value("rule"), passthrough=passthrough):
            route = Route(parts=set(router.labels(("middlewares", "service"))))
            for name, value in claim.items():
                route.put(name, value, *router.labels(("rule",)))
            route.put("port", port, *target.labels(("loadbalancer.server.port",)), *router.labels(("service",)))
            if passthrough:
                route.origins["reqMode"] |= set(router.labels(("tls.passthrough",)))
            else:
                route.put("srcPort", port)
                label = next(iter(router.labels(("entrypoints", "rule"))), "")
                draft.untranslated(
                    label, f"the port of the entry point is not known; com.df.srcPort={port} is a guess to be looked at"
                )
            _add_connection_middlewares(route, router, middlewares)
            routes.append(route)


def _passes_through(router: Body) -> bool:
    """Whether a router of connections has TLS pass as it is; otherwise there is none.

    Raises:
        UntranslatableError: TLS is ended there.
    """
    passthrough = router.value("tls.passthrough").lower() == "true"
    if not passthrough and any(option.partition(".")[0] == "tls" for option in router.options):
        raise UntranslatableError("TLS is ended by the proxy for HTTP only; pass it through (tls.passthrough)")
    return passthrough


def _add_connection_middlewares(route: Route, router: Body, middlewares: Mapping[str, Body]) -> None:
    for name, body in _used(router, middlewares):
        kinds = {option.partition(".")[0] for option in body.options} if body else set()
        if body is None or not kinds <= {"ipallowlist", "ipwhitelist"}:
            raise UntranslatableError(f"the middleware {name} may restrict access and is not translated")
        for kind in kinds:
            KINDS[kind](body.part(kind), route)
