"""Random worlds with all kinds of labels that decide what becomes of a request, and random requests to them."""

import random
from collections.abc import Mapping, Sequence

from builders import service

from models.explaining.asked import Asked, asked_of
from models.snapshot import SwarmService

HOSTS = ("a.com", "b.a.com", "x.b.a.com", "c.org", "www.c.org", "y.net", "old.net", "A.com", "a.com.", "c.org:8080", "")
DOMAINS = ("a.com", "*a.com", "*.a.com", "c.org", "*.b.a.com", "b.a.com", "*", "*.org")
PATHS = ("/", "/api", "/api/v1", "/api/v1/users", "/API", "/static/app.js", "/v1", "/demo", "/demo%20x", "/é")
PATH_VALUES: Mapping[str, Sequence[str]] = {
    "path_beg": ("/", "/api", "/api/v1", "/demo", "/static/", "/v1", "/.well-known/acme-challenge/"),
    "path_beg -i": ("/api", "/Demo"),
    "path": ("/", "/api", "/demo", "/api/v1"),
    "path -i": ("/API", "/v1"),
    "path_end": (".js", "v1", "users"),
    "path_sub": ("api", "v1/", "app"),
    "path_dir": ("api", "v1", "/v1/", "users"),
    "path -m dir -i": ("API", "api/v1"),
    "path_reg": ("^/api/v[0-9]+$", "s$", "^/(static|v1)", r"^/[[:alpha:]]+$", r"/v\d\b"),
    "path_reg -i": ("^/api$", "V1"),
}
SETTINGS_OF_ACCESS: Mapping[str, Sequence[str]] = {
    "httpsOnly": ("true",),
    "redirectWhenHttpProto": ("true",),
    "redirectUnlessHttpsProto": ("true",),
    "denyHttp": ("true",),
    "allowedSrc": ("127.0.0.0/8", "198.51.100.0/24,2001:db8::/32", "10.1.2.3"),
    "deniedSrc": ("198.51.100.7", "2001:db8::/33", "10.0.0.0/8"),
    "allowedMethods": ("GET", "get,POST"),
    "deniedMethods": ("DELETE,PUT", "POST"),
    "users": ("ann:secret", "nobody"),
    "verifyClientSsl": ("true",),
    "rateLimit": ("1000000/1h",),
    "reqPathSearchReplace": ("/api,/", "^/api/,/:v([0-9]),w\\1", "[aeiou],x,g", "/DEMO,/other,i", "^/,"),
}
ODD = (
    "/",
    "//",
    "/./",
    "/../",
    "%2F",
    "%61",
    "%2e%2E/",
    ";x",
    ";x/",
    "%5C",
    "\\",
    "%20",
    "%25",
    "%zz",
    "%00",
    "%c3%a9",
)
CLIENTS = ("127.0.0.1", "198.51.100.7", "198.51.100.9", "10.1.2.3", "2001:db8::7", "2001:db8:8000::1", "203.0.113.5")
METHODS = ("GET", "GET", "GET", "POST", "DELETE", "get")


def random_services(dice: random.Random, number: int, port: int, *, plain: bool) -> list[SwarmService]:
    """Return services at a port of this machine; ``plain`` ones claim nothing but paths and domains."""
    return [
        service(
            f"s{each}",
            {"port": str(port), **(_plain_labels(dice) if plain else _labels(dice, port))},
            vips=["127.0.0.1/8"],
            younger=dice.randrange(4),
            tasks=0 if dice.random() < 0.05 else 1,
        )
        for each in range(number)
    ]


def _plain_labels(dice: random.Random) -> dict[str, str]:
    labels = {
        "servicePath": dice.choice(PATH_VALUES["path_beg"][1:]),
        **_sometimes(dice, 0.01, isDefaultBackend=["true"]),
    }
    return labels | _sometimes(dice, 0.3, serviceDomain=DOMAINS) | _of_access(dice)


def _labels(dice: random.Random, port: int) -> dict[str, str]:
    kind = dice.choice([*PATH_VALUES, "path_beg", "path_beg", "path_beg"])
    values = PATH_VALUES[kind]
    labels = {"pathType": kind, "servicePath": ",".join({dice.choice(values), dice.choice(values)})}
    labels |= _sometimes(dice, 0.6, serviceDomain=DOMAINS)
    labels |= _sometimes(dice, 0.2, serviceHeader=["X-Version:1", "X-Version:2", "X-Version:1,X-Country:US"])
    labels |= _sometimes(dice, 0.15, userAgent=["CURL", "mozilla,wget"])
    labels |= _sometimes(dice, 0.2, servicePathExclude=values)
    labels |= _sometimes(dice, 0.15, priority=["5", "-5"])
    labels |= _sometimes(dice, 0.1, srcPort=["80", "443"])
    labels |= _sometimes(dice, 0.1, httpsPort=[str(port)])
    labels |= _sometimes(dice, 0.01, isDefaultBackend=["true"])
    labels |= _sometimes(dice, 0.2, trafficGroup=["pool"])
    if labels.get("serviceDomain", "*")[0] != "*":
        labels |= _sometimes(dice, 0.1, serviceDomainAlgo=["hdr_beg(host)", "hdr_sub(host)", "hdr_dom(host)"])
        if "serviceDomainAlgo" not in labels:
            labels |= _sometimes(dice, 0.1, redirectFromDomain=["old.net"])
    return labels | _of_access(dice)


def _of_access(dice: random.Random) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, values in SETTINGS_OF_ACCESS.items():
        found |= _sometimes(dice, 0.06, **{name: values})
    return found | _sometimes(dice, 0.2, httpsRedirectCode=["301", "302", "308"])


def _sometimes(dice: random.Random, chance: float, **labels: Sequence[str]) -> dict[str, str]:
    return {name: dice.choice(values) for name, values in labels.items() if dice.random() < chance}


def random_request(dice: random.Random) -> Asked:
    """Return a request, about as likely to match something as not."""
    path = dice.choice(PATHS)
    if dice.random() < 0.05:
        path = f"/.well-known/acme-challenge/{dice.choice(['', 'token'])}"
    if dice.random() < 0.2:
        at = dice.randrange(1, len(path) + 1)
        path = path[:at] + dice.choice(ODD) + path[at:]
    headers = [
        f"X-Version: {dice.choice(['1', '2', '3', '3, 1'])}",
        f"User-Agent: {dice.choice(['curl/8', 'Wget', ''])}",
    ]
    chances = {
        "X-Country: US": 0.4,
        "X-Forwarded-Proto: http": 0.2,
        "X-Forwarded-Proto: https": 0.2,
        "X-HTTP-Method: DELETE": 0.1,
        "Authorization: Basic YW5uOnNlY3JldA==": 0.3,
        f"X-Forwarded-For: {dice.choice(CLIENTS)}, {dice.choice(CLIENTS)}": 0.3,
    }
    headers += [header for header, chance in chances.items() if dice.random() < chance]
    return asked_of(
        f"{dice.choice(['http', 'https'])}://{dice.choice(HOSTS)}{path}{dice.choice(['', '', '?q=/api'])}",
        method=dice.choice(METHODS),
        headers=headers,
        source=dice.choice(CLIENTS),
    )
