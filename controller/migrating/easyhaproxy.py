"""EasyHAProxy's labels: definitions of a host, a port, and what goes with them. Pure.

Source: EasyHAProxy's documentation, "Container Labels".
"""

import base64
import binascii
import json
import re
from collections.abc import Mapping

from controller.migrating.body import Body
from controller.migrating.translation import Draft, Route, Services, Translation, UntranslatableError, listed, settled

_PREFIX = "easyhaproxy."
_USUAL_PORTS = {"http": "80", "https": "443"}
_CERTIFICATES_NOTE = (
    "certificates: Swarmgate obtains none; it serves those in the proxy's secrets cert-* and in com.df.serviceCert, "
    "and answers every route by HTTP and by HTTPS unless there is com.df.httpsOnly=true"
)
_ALGORITHMS = frozenset({"leastconn", "source", "random", "first"})
_URL = re.compile(r"https?://(?P<domain>[\w.-]+)/?")
_REASONS = {
    "proto": "only HTTP is spoken to services",
    "socket": "services are reached by their network, not by sockets",
}


def translate(services: Services) -> Mapping[str, Translation]:
    """Translate the services that have labels of EasyHAProxy."""
    return settled(_translate_service(name, labels) for name, labels in services.items())


def _translate_service(name: str, labels: Mapping[str, str]) -> Draft:
    draft = Draft(name, {key: value for key, value in labels.items() if key.lower().startswith(_PREFIX)})
    definitions: dict[str, Body] = {}
    for label, value in draft.given.items():
        definition, _, option = label[len(_PREFIX) :].partition(".")
        definitions.setdefault(definition, Body()).options[option.lower()] = (label, value)
    for body in definitions.values():
        try:
            draft.routes.append(_route(draft, body))
        except UntranslatableError as error:
            for label, _ in body.options.values():
                draft.untranslated(label, str(error))
    return draft


def _route(draft: Draft, body: Body) -> Route:
    """Return the route of one definition.

    Raises:
        UntranslatableError: it cannot be had, or somebody would be let in who was kept out.
    """
    _refuse_what_changes_all(body)
    route = Route()
    if body.take("mode", "http").lower() == "tcp":
        _claim_port(draft, route, body)
    else:
        _claim_hosts(draft, route, body)
    route.put("port", body.take("localport", "80"), *body.labels(("localport",)))
    _add_redirects(draft, route, body)
    _add_certificates(draft, route, body)
    _add_servers(draft, route, body)
    for option, (label, _) in body.options.items():
        if option not in body.taken:
            draft.untranslated(label, "there is no equivalent")
    return route


def _refuse_what_changes_all(body: Body) -> None:
    for option, reason in _REASONS.items():
        if body.value(option).lower() not in {"", "h1"}:
            raise UntranslatableError(f"{body.label(option)}: {reason}")
    plugins = [option for option in body.options if option.startswith("plugin")]
    if plugins:
        raise UntranslatableError(
            f"{body.label(plugins[0])}: plugins have no equivalent, and may restrict access; see com.df.allowedSrc, "
            "com.df.servicePathExclude and com.df.users"
        )


def _claim_port(draft: Draft, route: Route, body: Body) -> None:
    if body.value("ssl").lower() == "true" or body.value("sslcert"):
        raise UntranslatableError("TLS is ended by the proxy for HTTP only; com.df.reqMode=sni passes it through")
    if not body.value("port"):
        raise UntranslatableError("with mode=tcp there has to be a port")
    route.put("reqMode", "tcp", *body.labels(("mode",)))
    route.put("srcPort", body.take("port"), *body.labels(("port",)))
    body.taken.add("host")
    for label in body.labels(("host",)):
        draft.needless(label, "with mode=tcp there is no host, the port is its own")


def _claim_hosts(draft: Draft, route: Route, body: Body) -> None:
    hosts = listed(host.strip().lower() for host in body.take("host").split(",") if host.strip())
    if not hosts:
        raise UntranslatableError("there has to be a host")
    route.put("serviceDomain", hosts, *body.labels(("host",)))
    if body.take("path"):
        route.put("servicePath", body.value("path"), *body.labels(("path",)))
    for label in body.labels(("mode",)):
        draft.needless(label, "it is so by itself")
    if body.take("port", "80") in _USUAL_PORTS.values():
        for label in body.labels(("port",)):
            draft.needless(label, "the proxy's ports decide (DEFAULT_PORTS)")
    else:
        route.put("srcPort", body.value("port"), *body.labels(("port",)))
        draft.note("other ports than 80 and 443: the proxy listens on them if they are in its DEFAULT_PORTS")


def _add_redirects(draft: Draft, route: Route, body: Body) -> None:
    if body.take("redirect_ssl").lower() == "true":
        route.put("httpsOnly", "true", *body.labels(("redirect_ssl",)))
    else:
        for label in body.labels(("redirect_ssl",)):
            draft.needless(label, "it is so by itself")
    if body.take("redirect"):
        try:
            _redirect_domains(route, body)
        except UntranslatableError as error:
            draft.untranslated(body.label("redirect"), str(error))


def _redirect_domains(route: Route, body: Body) -> None:
    """Lead domains to the first of the route's, which is all that can be done."""
    try:
        wanted = {str(domain).lower(): str(url) for domain, url in json.loads(body.value("redirect")).items()}
    except (ValueError, AttributeError):
        raise UntranslatableError("it is no JSON object of domains and URLs") from None
    targets = {match["domain"].lower() if (match := _URL.fullmatch(url)) else "" for url in wanted.values()}
    domains = route.labels.get("serviceDomain", "").split(",")
    target = next(iter(targets), "")
    if len(targets) != 1 or target not in domains:
        raise UntranslatableError(
            "a domain can be redirected to one of the route's own, which is to be the same for all"
        )
    route.labels["serviceDomain"] = listed([target, *(each for each in domains if each not in wanted)])
    route.put("redirectFromDomain", listed(wanted), body.label("redirect"))


def _add_certificates(draft: Draft, route: Route, body: Body) -> None:
    for option in ("ssl", "certbot", "clone_to_ssl"):
        body.taken.add(option)
        for label in body.labels((option,)):
            draft.needless(label, "the proxy's certificates decide; see the note")
            draft.note(_CERTIFICATES_NOTE)
    if body.take("sslcert"):
        try:
            pem = base64.b64decode(body.value("sslcert"), validate=True).decode()
            route.put("serviceCert", pem.strip().replace("\r", "").replace("\n", "\\n"), body.label("sslcert"))
        except (binascii.Error, ValueError):
            draft.untranslated(body.label("sslcert"), "it is no certificate in base64; put it into a secret cert-*")


def _add_servers(draft: Draft, route: Route, body: Body) -> None:
    algorithm = body.take("balance", "roundrobin").lower()
    if algorithm in _ALGORITHMS:
        route.put("backendExtra", f"balance {algorithm}", *body.labels(("balance",)))
        route.put("discoveryType", "tasks", *body.labels(("balance",)))
    elif algorithm in {"roundrobin", "static-rr"}:
        for label in body.labels(("balance",)):
            draft.needless(label, "it is so by itself")
    else:
        draft.untranslated(body.label("balance"), "servers come and go, which this algorithm cannot take; use source")
    for option in ("health-check", "ssl-check"):
        if body.take(option).lower() == "true":
            route.put("checkTcp", "true", *body.labels((option,)))
        elif body.value(option).startswith("/"):
            route.put("checkHttp", body.value(option), *body.labels((option,)))
        elif option in body.options:
            draft.untranslated(body.label(option), "servers are checked by com.df.checkTcp or com.df.checkHttp")
