"""The same on a real HAProxy: thousands of requests, many of them hostile, answered as the plain rules say."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import df, rendered_of, service, snapshot
from routing.matching import CHALLENGE, expected_backend, normal_path
from traffic import Answer, ask, request_bytes, running_haproxy

from models.routing import ANY_DOMAIN, Claim
from models.settings import ProxySettings
from models.snapshot import SwarmService

SERVICES = 300
REQUESTS = 3000
TOP = ("com", "example.com", "shop.example.com", "eu.shop.example.com", "org", "local")
WORDS = ("a", "b", "demo", "demo1", "hello", "v1.0", "%2F", "~x", "!", "a;b", "(c)", "x:y", "@", "$1", "*", "")
HOSTILE_HOSTS = (
    "*",
    "*.com",
    "!",
    "|",
    "#",
    "example.com|*",
    "example.com#/demo",
    "example.com#!/demo",
    "example.com!#/demo",
    "*#/",
    "example.com#",
    "-",
    "..",
    "a" * 250 + ".com",
    "example.com:80:81",
    "[::1]:80",
    "example.com.evil.net",
)
HOSTILE_PATHS = (
    "/#",
    "/%23/demo",
    "//",
    "//demo",
    "/demo//hello",
    "/demo/../hello",
    "/!",
    "/|/*",
    "/demo%00",
    "/demo#!/hello",
    f"{CHALLENGE}/../../demo",
    f"/{CHALLENGE}",
    f"{CHALLENGE}x",
    "/%64emo",
    "/;x/demo;y",
    "/demo%5Chello",
    "/x%2Fdemo/.",
    f"{CHALLENGE}/token",
    "/" + "x" * 4000,
)


def random_services(dice: random.Random, *, domains: float = 0.75) -> list[SwarmService]:
    """Return services with random claims, some of them about the same; a share of them has domains."""
    services = []
    for number in range(SERVICES):
        labels = {"port": "80", "servicePath": random_path(dice)}
        if dice.random() < domains:
            labels["serviceDomain"] = dice.choice(["", "*", "*.", f"w{dice.randrange(20)}."]) + dice.choice(TOP)
        services.append(service(f"s{number}", labels, younger=dice.randrange(50)))
    return services


def random_path(dice: random.Random) -> str:
    """Return a path as a label may have it, sometimes one of an ACME challenge."""
    path = "/" + "/".join(dice.choice(WORDS) for _ in range(dice.randrange(3)))
    return f"{CHALLENGE}{path}" if dice.random() < 0.05 else path


def random_request(dice: random.Random) -> tuple[str, str]:
    """Return a host and a path, about as likely to match something as not."""
    host = dice.choice(["", f"w{dice.randrange(20)}.", "x.", "evil"]) + dice.choice(TOP)
    host = dice.choice([str, str, str.upper, str.title])(host) + dice.choice(["", "", ".", ":8080", ".:80"])
    path = random_path(dice) + dice.choice(["", "", "/more", "x", "?q=/demo", "?"])
    if dice.random() < 0.15:
        host = dice.choice(HOSTILE_HOSTS)
    if dice.random() < 0.15:
        path = dice.choice(HOSTILE_PATHS)
    return host, path


def claims_of(services: list[SwarmService], form: Callable[[str], str]) -> Iterator[Claim]:
    """Return what the labels claim, without asking the code under test."""
    for each in services:
        yield Claim(
            domain=each.labels.get(*df({"serviceDomain": ANY_DOMAIN}).popitem()),
            path=form(each.labels[df({"servicePath": ""}).popitem()[0]]),
            backend=f"{each.name}-be80_0",
            service=each.name,
            acl_name=each.name,
            index=0,
            created_at=each.created_at,
        )


async def answers_of(
    version: str, services: list[SwarmService], requests: list[bytes], folder: Path, **settings: bool
) -> list[Answer]:
    """Send requests to a HAProxy that runs services."""
    rendered = rendered_of(snapshot(*services), settings=ProxySettings(**settings))
    with running_haproxy(haproxy_binary(version), rendered, folder) as port:
        return await ask(port, requests)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("domains", [pytest.param(0.75, id="domains"), pytest.param(0, id="paths alone")])
@pytest.mark.parametrize(
    ("normalize_paths", "form"), [pytest.param(True, normal_path, id="normal"), pytest.param(False, str, id="as is")]
)
async def test_haproxy_answers_as_the_rules_say(
    version: str, *, normalize_paths: bool, form: Callable[[str], str], domains: float, folder: Path
) -> None:
    """Every request reaches the backend that the claims, tried one after the other, give it to."""
    dice = random.Random(20240101)
    services = random_services(dice, domains=domains)
    claims = list(claims_of(services, form))
    asked = [random_request(dice) for _ in range(REQUESTS)]
    requests = [request_bytes(path, host) for host, path in asked]
    answers = await answers_of(version, services, requests, folder, normalize_paths=normalize_paths)
    wrong = {
        (host, path): (answer.status, answer.backend, expected)
        for (host, path), answer in zip(asked, answers, strict=True)
        if answer.status != 400
        and answer.backend
        != (expected := expected_backend(claims, host, form(path.partition("?")[0].partition("#")[0])))
    }
    assert wrong == {}
    refused = [request for request, answer in zip(asked, answers, strict=True) if answer.status == 400]
    assert all(host in HOSTILE_HOSTS or path in HOSTILE_PATHS for host, path in refused)
    assert sum(answer.backend is not None for answer in answers) > REQUESTS / 4


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("request_line", "headers", "backend"),
    [
        pytest.param("GET /web HTTP/1.0", (), "any-be80_0", id="HTTP/1.0 without a host"),
        pytest.param("GET /web HTTP/1.1", ("Host: ",), "any-be80_0", id="an empty host"),
        pytest.param("GET http://x.com/web HTTP/1.1", ("Host: x.com",), "x-be80_0", id="an absolute URL"),
        pytest.param("GET /web HTTP/1.1", ("Host: y.com,x.com",), None, id="two hosts"),
        pytest.param("GET /web?x=/ HTTP/1.1", ("Host: x.com",), "x-be80_0", id="a query"),
        pytest.param("OPTIONS * HTTP/1.1", ("Host: x.com",), None, id="no path"),
        pytest.param("GET /other HTTP/1.1", ("Host: x.com",), None, id="no route"),
    ],
)
async def test_odd_requests(
    version: str, request_line: str, headers: tuple[str, ...], backend: str | None, folder: Path
) -> None:
    """What a request lacks matches nothing, and takes nothing away from the routes that do not ask for it."""
    services = [
        service("any", {"servicePath": "/web", "port": "80"}),
        service("x", {"servicePath": "/web", "serviceDomain": "x.com", "port": "80"}),
    ]
    request = "\r\n".join((request_line, *headers, "Connection: close", "", "")).encode()
    (answer,) = await answers_of(version, services, [request], folder)
    assert answer.backend == backend
