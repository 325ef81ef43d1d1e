"""The world that everything is measured in: service number ``n`` of a kind of world, the same in every process.

In a ``plain`` world each service has a path of its own, in a ``domain`` world a domain of its own (which is all that
some rivals can do). A ``mixed`` world has them in proportions that a Swarm of many teams might have: what is
shared there (users, header rules, timeouts) is shared here, and what is each service's own is its own. A
``protected`` world has services with and without passwords. In a ``faulty`` world, which is mixed otherwise, and in a
``spoilt`` one, where each service has a rewriting of its own, one of 50 has labels that HAProxy refuses.
"""

import base64
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

World = Literal["plain", "domain", "mixed", "protected", "faulty", "spoilt"]

PREFIX = "com.df."
# What `mkpasswd -m sha-512` makes of the word "benchmark".
HASH = "$6$swarmgatebench$fHJvED/r2BhWdApA9Yt.8new5kkeReqcXPp3HMjesn5yvpF3c5HEEEN9EexdPpKRqdzAV8dZ8XeiLg92v3q/C0"
_TEAMS = 20
_SHARES = {
    "plain": 80,
    "domain": 24,
    "domains and paths": 10,
    "wildcard": 8,
    "several destinations": 8,
    "tasks": 10,
    "dnsrr": 2,
    "sticky": 2,
    "users": 6,
    "hashed users": 2,
    "request headers": 6,
    "response headers": 6,
    "shared rewrite": 6,
    "own rewrite": 2,
    "https only": 8,
    "proto redirect": 2,
    "former domain": 2,
    "compression": 4,
    "timeouts": 4,
    "methods": 2,
    "sources": 1,
    "rate limit": 1,
    "health check": 2,
    "priority": 1,
    "header match": 1,
}
"""How many of 200 services are of each kind."""

KINDS = tuple(_SHARES)
_EVERY = 50
"""Of so many services one is refused, where some are."""
_REFUSED = ("timeout server soon", "http-request redirect location /x code 999", "retry-on no")
"""Lines that are allowed and that HAProxy refuses; what stands behind them makes them different."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request that a service answers; ``headers`` are beside ``Host``."""

    path: str = "/"
    host: str = "localhost"
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Service:
    """A service to be created; labels are without their prefix.

    ``request`` is answered with 200 once the service is routed; None if the answer is a redirect, or there is none.
    """

    name: str
    kind: str
    labels: Mapping[str, str]
    request: Request | None
    replicas: int = 1
    endpoint_mode: str = "vip"

    @property
    def full_labels(self) -> dict[str, str]:
        """The labels with their prefix."""
        return {f"{PREFIX}{name}": value for name, value in self.labels.items()}


def services(world: World, size: int, port: int) -> Iterator[Service]:
    """Give the services of a world; ``port`` is what they listen on, at their virtual addresses."""
    return (service(world, number, port) for number in range(size))


def service(world: World, number: int, port: int) -> Service:
    """Return one service of a world."""
    kinds = _kinds(world)
    return service_of(kinds[number % len(kinds)], number, port)


def relabelled(service: Service, turn: int) -> Service:
    """Return a service with one path more, another one in each turn."""
    paths = service.labels.get("servicePath", "/")
    labels = {**service.labels, "servicePath": f"{paths},/relabelled-{turn}-{service.name}"}
    return Service(service.name, service.kind, labels, service.request, service.replicas, service.endpoint_mode)


@lru_cache
def _kinds(world: World) -> tuple[str, ...]:
    """Return the order in which the kinds come: mixed, but the same everywhere, and plain first."""
    if world == "protected":
        return ("plain", "users", "hashed users")
    if world == "spoilt":
        return (*["own rewrite"] * (_EVERY - 2), "refused", "own rewrite")
    if world in {"mixed", "faulty"}:
        return _mixed_kinds(_EVERY if world == "faulty" else 0)
    return (world,)


def _mixed_kinds(refused: int) -> tuple[str, ...]:
    """Return the kinds of a mixed world; with ``refused``, each so many-th is refused."""
    kinds = [kind for kind, share in _SHARES.items() for _ in range(share)]
    kinds.remove("plain")
    random.Random(1).shuffle(kinds)  # noqa: S311 - an order, not a secret
    mixed = ("plain", *kinds)
    return tuple("refused" if refused and n % refused == refused - 2 else kind for n, kind in enumerate(mixed))


def service_of(kind: str, number: int, port: int) -> Service:
    """Return a service of one of `KINDS`."""
    name, path, host = f"s{number:05d}", f"/s{number:05d}", f"s{number:05d}.example.com"
    by_path, by_host = Request(path), Request("/", host)
    labels: dict[str, str] = {"notify": "true", "port": str(port)}
    team = number % _TEAMS
    at_path, at_host = {"servicePath": path}, {"serviceDomain": host}
    basic = Request(path, headers={"Authorization": f"Basic {_basic(team)}"})
    table: dict[str, tuple[dict[str, str], Request | None]] = {
        "plain": (at_path, by_path),
        "domain": (at_host, by_host),
        "domains and paths": (
            {"serviceDomain": f"{host},www.{host}", "servicePath": "/api,/static,/about"},
            Request("/api", host),
        ),
        "wildcard": ({"serviceDomain": f"*.{host}"}, Request("/", f"tenant.{host}")),
        "several destinations": (
            {"servicePath.1": path, "port.1": str(port), "servicePath.2": f"/admin{path}", "port.2": str(port)},
            by_path,
        ),
        "tasks": ({**at_path, "discoveryType": "tasks"}, by_path),
        "dnsrr": (at_path, by_path),
        "sticky": ({**at_path, "sessionType": "sticky-server"}, by_path),
        "users": ({**at_path, "users": f"team{team}:benchmark"}, basic),
        "hashed users": ({**at_path, "users": f"team{team}:{HASH}", "usersPassEncrypted": "true"}, basic),
        "request headers": ({**at_path, "setReqHeader": "X-Forwarded-Port %[dst_port]"}, by_path),
        "response headers": (
            {**at_host, "setResHeader": "Strict-Transport-Security max-age=31536000", "delResHeader": "Server"},
            by_host,
        ),
        "shared rewrite": (
            {**at_host, "servicePath": "/api/", "reqPathSearchReplace": "/api/,/"},
            Request("/api/x", host),
        ),
        "own rewrite": ({**at_path, "reqPathSearchReplace": f"{path}/,/"}, by_path),
        "https only": ({**at_host, "httpsOnly": "true", "httpsRedirectCode": "301"}, None),
        "proto redirect": ({**at_host, "redirectWhenHttpProto": "true"}, by_host),
        "former domain": ({**at_host, "redirectFromDomain": f"old.{host}"}, by_host),
        "compression": (
            {**at_host, "compressionAlgo": "gzip", "compressionType": "text/html application/javascript"},
            by_host,
        ),
        "timeouts": ({**at_path, "timeoutServer": ("60", "120", "300")[team % 3]}, by_path),
        "methods": ({**at_path, "deniedMethods": "DELETE,PUT"}, by_path),
        "sources": ({**at_path, "allowedSrc": "127.0.0.0/8"}, by_path),
        "rate limit": ({**at_path, "rateLimit": "1000000/10s"}, by_path),
        "health check": ({**at_path, "checkTcp": "true"}, by_path),
        "priority": ({**at_path, "priority": "10"}, by_path),
        "refused": ({**at_path, "backendExtra": f"{_REFUSED[number // _EVERY % len(_REFUSED)]}{number}"}, None),
        "header match": ({**at_path, "serviceHeader": "X-Version:3"}, Request(path, headers={"X-Version": "3"})),
    }
    more, request = table[kind]
    by_task = kind in {"tasks", "dnsrr", "sticky"}
    return Service(
        name,
        kind,
        {**labels, **more},
        request,
        replicas=2 if by_task else 1,
        endpoint_mode="dnsrr" if kind == "dnsrr" else "vip",
    )


def _basic(team: int) -> str:
    return base64.b64encode(f"team{team}:benchmark".encode()).decode()
