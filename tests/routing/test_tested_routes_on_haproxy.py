"""Routes that ask for more than a path and a domain, on a real HAProxy, against the same rules in plain Python."""

import random
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import rendered_of, service, snapshot
from routing.matching import normal_host
from traffic import ask, request_bytes, running_haproxy

SERVICES = 120
REQUESTS = 2500
HOSTS = ("a.com", "b.a.com", "c.org", "x.b.a.com", "y.net")
PATHS = ("/", "/api", "/api/v1", "/api/v1/users", "/API", "/static/app.js", "/v1", "/.well-known/acme-challenge/t")
AGENTS = ("curl/8.0", "Mozilla/5.0 (X11)", "wget")
VERSION_HEADERS = ("1", "2", "3")

PATH_TESTS: dict[str, Callable[[str, str], bool]] = {
    "path_beg": lambda path, value: path.startswith(value),
    "path_beg -i": lambda path, value: path.lower().startswith(value.lower()),
    "path": lambda path, value: path == value,
    "path_end": lambda path, value: path.endswith(value),
    "path_sub": lambda path, value: value in path,
    "path_reg": lambda path, value: re.search(value, path) is not None,
    "path_reg -i": lambda path, value: re.search(value, path, re.IGNORECASE) is not None,
}
VALUES = {
    "path_end": (".js", "v1", "users"),
    "path_sub": ("api", "v1/", "app"),
    "path_reg": ("^/api/v[0-9]+$", "s$", "^/(static|v1)"),
    "path_reg -i": ("^/api$", "V1"),
}
RANK = {"path": 0, "path_beg": 1}


@dataclass(frozen=True)
class Request:
    """What routes are about."""

    host: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)


def random_labels(dice: random.Random) -> dict[str, str]:
    """Return the labels of one service, most of them with something to test."""
    kind = dice.choice(["path_beg", "path_beg", *PATH_TESTS])
    labels = {"port": "80", "pathType": kind, "servicePath": dice.choice(VALUES.get(kind, PATHS[:-1]))}
    if dice.random() < 0.6:
        labels["serviceDomain"] = dice.choice(["a.com", "*a.com", "*.a.com", "c.org", "*.b.a.com"])
    if dice.random() < 0.25:
        labels["serviceHeader"] = f"X-Version:{dice.choice(VERSION_HEADERS)}"
    if dice.random() < 0.2:
        labels["userAgent"] = dice.choice(["CURL", "mozilla,wget"])
    if dice.random() < 0.2:
        labels["servicePathExclude"] = dice.choice(VALUES.get(kind, PATHS[2:5]))
    if dice.random() < 0.15:
        labels["priority"] = dice.choice(["5", "-5"])
    return labels


def fits(labels: Mapping[str, str], request: Request) -> bool:
    """Tell whether labels are about a request, one condition after the other."""
    test = PATH_TESTS[labels["pathType"]]
    host = normal_host(request.host)
    domain = labels.get("serviceDomain", "*")
    name, _, value = labels.get("serviceHeader", "").partition(":")
    agents = labels.get("userAgent", "").lower().split(",")
    return (
        test(request.path, labels["servicePath"])
        and not ("servicePathExclude" in labels and test(request.path, labels["servicePathExclude"]))
        and (host.endswith(domain[1:]) if domain.startswith("*") else host == domain)
        and (not name or request.headers.get(name) == value)
        and any(agent in request.headers.get("User-Agent", "").lower() for agent in agents)
    )


def rank(name: str, labels: Mapping[str, str]) -> tuple[object, ...]:
    """Sort fitting services by the stated precedence."""
    kind = labels["pathType"]
    domain = labels.get("serviceDomain", "*")
    looked_up = kind in RANK
    tests = sum(label in labels for label in ("serviceHeader", "userAgent", "servicePathExclude")) + (not looked_up)
    return (
        -int(labels.get("priority", "0")),
        2 if domain == "*" else int(domain.startswith("*")),
        -len(domain),
        RANK.get(kind, 2),
        -len(labels["servicePath"]) if looked_up else 0,
        labels["servicePath"] if looked_up else "",
        -tests,
        name,
    )


def expected(worlds: Mapping[str, Mapping[str, str]], request: Request) -> str | None:
    """Return the backend that should answer."""
    fitting = [name for name, labels in worlds.items() if fits(labels, request)]
    return f"{min(fitting, key=lambda name: rank(name, worlds[name]))}-be80_0" if fitting else None


def without_doubles(worlds: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Leave out services that claim exactly what another one does: conflicts are settled elsewhere."""
    first: dict[str, str] = {}
    for name, labels in worlds.items():
        first.setdefault(str(sorted(labels.items())), name)
    return {name: worlds[name] for name in first.values()}


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_haproxy_tests_what_the_rules_say(version: str, folder: Path) -> None:
    """Every request reaches the service that fits it and comes first."""
    dice = random.Random(20240607)
    worlds = without_doubles({f"s{number}": random_labels(dice) for number in range(SERVICES)})
    rendered = rendered_of(snapshot(*(service(name, labels) for name, labels in worlds.items())))
    requests = [
        Request(
            dice.choice(HOSTS),
            dice.choice(PATHS),
            {"X-Version": dice.choice(VERSION_HEADERS), "User-Agent": dice.choice(AGENTS)},
        )
        for _ in range(REQUESTS)
    ]
    with running_haproxy(haproxy_binary(version), rendered, folder) as port:
        answers = await ask(
            port,
            [
                request_bytes(each.path, each.host, *(f"{name}: {value}" for name, value in each.headers.items()))
                for each in requests
            ],
        )
    wrong = {
        (each.host, each.path, *each.headers.values()): (answer.backend, expected(worlds, each))
        for each, answer in zip(requests, answers, strict=True)
        if answer.backend != expected(worlds, each)
    }
    assert wrong == {}
    assert len({answer.backend for answer in answers}) > 10


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("labels", "path"),
    [
        pytest.param({"isDefaultBackend": "true"}, "/plain", id="whatever nobody else answers"),
        pytest.param({"isDefaultBackend": "true"}, "/.well-known/acme-challenge/x", id="a challenge"),
        pytest.param({"pathType": "path_reg", "servicePath": "n$"}, "/plain", id="a route that is tested"),
        pytest.param(
            {"pathType": "path_reg", "servicePath": "x$"}, "/.well-known/acme-challenge/x", id="and a challenge"
        ),
    ],
)
async def test_what_has_no_path_waits_for_its_turn(
    version: str, labels: dict[str, str], path: str, folder: Path
) -> None:
    """It is not met on the way through the priorities before it."""
    services = (
        service("last", {"port": "80", **labels}),
        service("plain", {"port": "80", "servicePath": "/plain,/.well-known"}),
        service("but", {"port": "80", "servicePath": "/plain,/.well-known", "servicePathExclude": path}),
        service("first", {"port": "80", "servicePath": "/first", "priority": "5"}),
    )
    with running_haproxy(haproxy_binary(version), rendered_of(snapshot(*services)), folder) as port:
        (answer,) = await ask(port, [request_bytes(path, "x.com", "Connection: close")])
    assert answer.backend == "plain-be80_0"
