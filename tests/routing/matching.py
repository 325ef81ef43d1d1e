"""The routing rules in plain words, to compare with the maps: no map, no tree, no trick, one claim after the other.

And how HAProxy looks a request up in the maps.
"""

from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta

from models.routing import ACME_TIER, ANY_DOMAIN, BETWEEN_PATTERNS, DEFAULT_TIER, Claim

CHALLENGE = "/.well-known/acme-challenge"


def claim(domain: str, path: str, backend: str, *, age: int = 0, index: int = 0) -> Claim:
    """Return a claim of a service of its own; the older, the sooner it wins."""
    return Claim(
        domain=domain,
        path=path,
        backend=backend,
        service=backend,
        acl_name=backend,
        index=index,
        created_at=datetime(2024, 1, 1, tzinfo=UTC) - timedelta(seconds=age),
    )


def expected_backend(claims: Iterable[Claim], host: str | None, path: str) -> str | None:
    """Return the backend that answers a request, None if there is none."""
    name = normal_host(host)
    fitting = [each for each in claims if path.startswith(each.path) and fits(each.domain, name)]
    if not fitting:
        return None
    return min(fitting, key=lambda each: rank(each, path)).backend


def looked_up(
    host: str,
    path: str,
    *,
    is_challenge: bool,
    domains: Mapping[str, str],
    wildcards: Mapping[str, str],
    prefixes: Mapping[str, str],
) -> str | None:
    """Look a request up as the rules of the ``services`` frontend do."""
    exact = [domains[host]] if host in domains else []
    chain = next((value for ending, value in wildcards.items() if host.endswith(ending)), None)
    patterns = [*exact, *(chain.split(BETWEEN_PATTERNS) if chain else [])]
    for tier in (ACME_TIER, DEFAULT_TIER) if is_challenge else (DEFAULT_TIER,):
        for key in _keys(patterns, tier, path):
            found = [prefix for prefix in prefixes if key.startswith(prefix)]
            if found:
                return prefixes[max(found, key=len)]
    return None


def _keys(patterns: Iterable[str], tier: str, path: str) -> Iterator[str]:
    yield from (f"{pattern}{tier}#{path}" for pattern in patterns)
    if tier == DEFAULT_TIER:
        yield path
    yield f"{ANY_DOMAIN}{tier}#{path}"


def normal_host(host: str | None) -> str:
    """Return a host as it is compared: no port, lower case, no trailing dot."""
    return (host or "").strip(" \t").partition(":")[0].lower().rstrip(".")


def normal_path(path: str) -> str:
    """Return a path as it is compared, sign by sign: decoded (not blanks and ``%``), no parameters, single slashes."""
    normal, is_parameter = "", False
    while path:
        size = 3 if path[0] == "%" and path[:3] not in ("%20", "%25") else 1
        sign, path = (bytes.fromhex(path[1:3]).decode("latin-1") if size == 3 else path[0]), path[size:]
        sign = "/" if sign == "\\" else sign
        is_parameter = sign == ";" or (is_parameter and sign != "/")
        if not is_parameter and not (sign == "/" and normal.endswith("/")):
            normal += sign
    return normal


def fits(domain: str, host: str) -> bool:
    """Tell whether a domain pattern fits a host."""
    if domain == ANY_DOMAIN:
        return True
    return host.endswith(domain[1:]) if domain.startswith("*") else host == domain


def rank(each: Claim, path: str) -> tuple[object, ...]:
    """Sort fitting claims by the stated precedence, the winner first."""
    challenge = path.startswith(CHALLENGE) and each.path.startswith(CHALLENGE)
    exact = not each.domain.startswith("*")
    return (
        not challenge,
        not exact,
        -len(each.domain) if each.domain != ANY_DOMAIN else 1,
        -len(each.path),
        each.created_at,
        each.acl_name,
        each.index,
    )
