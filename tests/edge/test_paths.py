"""However a path is written, the rules about it hold; what is written oddly for good reasons gets through as it is."""

import random
from collections import Counter
from pathlib import Path

import pytest
from edge.readings import readings
from label_effects.edge import Origin, behind, edge, running
from traffic import ask, request_bytes

from models.settings import ProxySettings
from models.snapshot import SwarmService

ADMIN = "/admin"
CLOSED, REFUSED = "closed", "refused"

TRICKS = {
    "/admin": CLOSED,
    "/admin/": CLOSED,
    "/admin?x=/../..": CLOSED,
    "/admin;x": CLOSED,
    "/admin;x=1/y": CLOSED,
    "/admin.": CLOSED,
    "//admin": CLOSED,
    "///admin//x": CLOSED,
    "/%61dmin": CLOSED,
    "/%61%64%6D%69%6e": CLOSED,
    "/;x/admin": CLOSED,
    "/;x=../admin": CLOSED,
    "/%2Fadmin": CLOSED,
    "/%2f%2Fadmin": CLOSED,
    "/\\admin": CLOSED,
    "/%5Cadmin": CLOSED,
    "/%3Bx/admin": CLOSED,
    "http://HOST/admin": CLOSED,
    "http://HOST//%61dmin": CLOSED,
    "HTTP://HOST/admin": CLOSED,
    "http://ann@HOST/admin": CLOSED,
    "/./admin": REFUSED,
    "/x/../admin": REFUSED,
    "/../admin": REFUSED,
    "/x/%2e%2e/admin": REFUSED,
    "/x/.%2E/admin": REFUSED,
    "/%2E%2E%2fadmin": REFUSED,
    "/x%2f..%2fadmin": REFUSED,
    "/x/..%5cadmin": REFUSED,
    "/x/..\\admin": REFUSED,
    "/x/..;/admin": REFUSED,
    "/x/..;y=z/admin": REFUSED,
    "/x/..%3B/admin": REFUSED,
    "/.;/admin": REFUSED,
    "/admin%2f..": REFUSED,
    "/admin/..": REFUSED,
    "/x//../admin": REFUSED,
    "/%00/../admin": REFUSED,
    "/admi%00n": REFUSED,
    "/%0aadmin": REFUSED,
    "/%7fadmin": REFUSED,
    "/x/%c0%ae%c0%ae/admin": REFUSED,
    "/%c0%afadmin": REFUSED,
    "/x%e0%80%afadmin": REFUSED,
    "/x%f0%80%80%afadmin": REFUSED,
    "/%u0061dmin": REFUSED,
    "/%%61dmin": REFUSED,
    "/%%36%31dmin": REFUSED,
    "/%6": REFUSED,
    "/%": REFUSED,
    "/%2g": REFUSED,
    "/x#/admin": REFUSED,
    "/\xc4dmin": REFUSED,
    "http://other.test/admin": REFUSED,
    "/%20" * 2000 + "/../admin": REFUSED,
    "/" * 9000 + "admin": CLOSED,
    "/%25" * 2000 + "//admin": "open",
}
"""Of each way to write the path of an administrator's page, or something like it, what becomes of it."""

PIECES = ["/", "/", "//", "/./", "/../", "..", ".", "%2e", "%2E%2E", "%2f", "%5c", "\\", ";", ";x", "%3b", "?", "%25"]
PIECES += ["admin", "admin", "admin", "%61dmin", "adm%69n", "adm", "in", "a", "x", "%2561", "%00", "%c0%af", "%"]

LEGITIMATE = (
    "/",
    "/x/",
    "/api/vhosts/%2F/queues",
    "/api/v4/projects/group%2fname",
    "/proxy/https://example.com//x/",
    "/cars;colour=red/wheels;size=3",
    "/page;jsessionid=0A1B",
    "/a%20b/100%25/caf%c3%a9/%E4%B8%AD",
    "/caf%E9",
    "/.well-known/security.txt",
    "/.git./..x/x../...",
    "/~ann/%7Eann/[x]|{y}^z",
    "/a?b=../../%zz//;%00",
    "/%252e%252e/x",
    "/C%5CD",
    "/Admin",
)
"""Paths that a service gets as they came."""


RULES: dict[str, tuple[dict[str, str], int]] = {
    "excluded": ({"servicePath": "/", "servicePathExclude": ADMIN}, 503),
    "expression": ({"pathType": "path_reg", "servicePath": "^/", "servicePathExclude": "^/admin"}, 503),
    "any-case": ({"pathType": "path_beg -i", "servicePath": "/", "servicePathExclude": "/ADMIN"}, 503),
    "users": (
        {"servicePath.1": "/", "servicePath.2": ADMIN, "users": "ann:secret", "ignoreAuthorization.1": "true"},
        401,
    ),
    "addresses": ({"servicePath.1": "/", "servicePath.2": ADMIN, "deniedSrc.2": "0.0.0.0/0"}, 403),
    "methods": ({"servicePath.1": "/", "servicePath.2": ADMIN, "allowedMethods.2": "PUT"}, 403),
    "redirected": ({"servicePath.1": "/", "servicePath.2": ADMIN, "httpsOnly.2": "true"}, 302),
}
"""Labels that keep clients from a page, each with what they are told."""


def world(origin: Origin) -> list[SwarmService]:
    """Return one service for each rule, at a domain of its own."""
    port = str(origin.port)
    more = {"port": "", "servicePath": "", "port.1": port, "port.2": port}
    return [
        behind(
            origin,
            {"serviceDomain": f"{name}.test", **(more if "servicePath.1" in labels else {}), **labels},
            name=name,
        )
        for name, (labels, _) in RULES.items()
    ]


def leaks(origin: Origin) -> list[str]:
    """Return the paths that a service got and could take for an administrator's page."""
    paths = [head.split(" ")[1].removeprefix("http://").removeprefix("HTTP://") for head in origin.heads]
    return [path for path in paths if any(read.startswith(ADMIN) for read in readings(path[path.index("/") :]))]


@pytest.mark.parametrize("rule", RULES)
async def test_no_way_of_writing_a_path_gets_around_a_rule(binary: Path, folder: Path, rule: str) -> None:
    """It holds, or the request is refused, whatever services make of paths."""
    origin = Origin()
    async with running(origin), edge(binary, folder, *world(origin)) as proxy:
        host = f"{rule}.test"
        answers = await ask(proxy.port, [request_bytes(path.replace("HOST", host), host) for path in TRICKS])
    outcomes = {RULES[rule][1]: CLOSED, 200: "open", 400: REFUSED, 414: REFUSED}
    got = {path: outcomes.get(answer.status, answer.status) for path, answer in zip(TRICKS, answers, strict=True)}
    assert got == TRICKS
    assert leaks(origin) == []


async def test_paths_put_together_at_random(binary: Path, folder: Path) -> None:
    """Nor does any of thousands, of which many get through."""
    dice = random.Random(7)
    paths = ["/" + "".join(dice.choice(PIECES) for _ in range(dice.randrange(1, 6))) for _ in range(2000)]
    origin = Origin()
    async with running(origin), edge(binary, folder, *world(origin)) as proxy:
        answers = await ask(proxy.port, [request_bytes(path, "addresses.test") for path in paths])
    assert leaks(origin) == []
    assert {answer.status for answer in answers} == {200, 400, 403}
    assert min(Counter(answer.status for answer in answers).values()) > 100


async def test_odd_paths_get_through_as_they_came(binary: Path, folder: Path, origin: Origin) -> None:
    """Nothing is decoded, merged or cut off for good."""
    async with edge(binary, folder, behind(origin, {"servicePath": "/"})) as proxy:
        answers = await ask(proxy.port, [request_bytes(path, "web.test") for path in LEGITIMATE])
    assert {path: answer.status for path, answer in zip(LEGITIMATE, answers, strict=True) if answer.status != 200} == {}
    assert [head.split(" ")[1] for head in origin.heads] == list(LEGITIMATE)


SAME = {
    "/caf%C3%A9": "/caf%c3%a9",
    "/a%20b": "/a%20b/c",
    "/c%40d": "/c@d",
    "/e@f": "/e%40f",
    "/g%2Fh": "/g/h",
    "/i//j": "/i/j",
    "/k;x=1/l": "/k/l",
    "/100%25": "/100%25",
}
"""Paths as labels may have them, each with another way to write it."""


async def test_paths_of_labels_have_many_forms_too(binary: Path, folder: Path, origin: Origin) -> None:
    """However a label writes it, it is the same path."""
    services = [behind(origin, {"servicePath": label}, name=f"s{n}") for n, label in enumerate(SAME)]
    async with edge(binary, folder, *services) as proxy:
        answers = await ask(proxy.port, [request_bytes(path, "web.test") for path in (*SAME.values(), "/a", "/g")])
    assert [answer.backend for answer in answers] == [
        *(f"s{n}-be{origin.port}_0" for n in range(len(SAME))),
        None,
        None,
    ]


SUBSTITUTED = {
    "/app/x": "/x",
    "/app/%2F/caf%C3%A9;v=1//x": "/%2F/caf%C3%A9;v=1//x",
    "//app/x": None,
    "/%61pp/x": None,
    "/app%2Fx": None,
    "/app;v=1/x": None,
    "/app\\x": None,
}
"""Paths below ``/app``, each with what a service gets that is to get them without it."""


async def test_nobody_gets_around_a_substitution(binary: Path, folder: Path, origin: Origin) -> None:
    """What should have been changed and is not is refused."""
    labels = {"servicePath": "/app", "reqPathSearchReplace": "^/app/,/"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        answers = await ask(proxy.port, [request_bytes(path, "web.test") for path in SUBSTITUTED])
    assert [answer.status for answer in answers] == [400 if path is None else 200 for path in SUBSTITUTED.values()]
    assert [head.split(" ")[1] for head in origin.heads] == [path for path in SUBSTITUTED.values() if path]


async def test_the_operator_may_have_paths_compared_as_they_come(binary: Path, folder: Path, origin: Origin) -> None:
    """Then they are, byte by byte, and none is refused."""
    settings = ProxySettings(normalize_paths=False)
    paths = ("//admin", "/%61dmin", "/x/../admin", "/%zz", "/%00")
    async with edge(binary, folder, *world(origin), settings=settings) as proxy:
        answers = await ask(proxy.port, [request_bytes(path, "addresses.test") for path in ("/admin", *paths)])
    assert [answer.status for answer in answers] == [403, *(200 for _ in paths)]
    assert [head.split(" ")[1] for head in origin.heads] == list(paths)


@pytest.mark.parametrize("header", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"])
async def test_methods_are_not_changed_by_headers(binary: Path, folder: Path, origin: Origin, header: str) -> None:
    """Where only some methods are let in, a request that asks to be taken for another one is not."""
    limited = behind(origin, {"allowedMethods": "GET,POST"}, name="limited")
    async with edge(binary, folder, behind(origin), limited) as proxy:
        assert (await proxy.ask("/limited", method="POST")).status == 200
        assert (await proxy.ask("/limited", f"{header}: DELETE", method="POST")).status == 403
        assert (await proxy.ask("/web", f"{header}: DELETE", method="POST")).status == 200
