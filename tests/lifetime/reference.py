"""What a proxy should answer, in plain words: one destination after the other, no map, no tree, no profile.

It is told which form of every service is in force (`controller.judging`), and decides all the rest by itself.
"""

import base64
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from lifetime.asking import Answer, Request
from lifetime.world import SECRET_HASH
from routing.matching import fits as fits_domain
from routing.matching import normal_host

from controller.judging import Candidate
from models.interface import address_of
from models.service import Destination, Way

CHALLENGE = "/.well-known/acme-challenge"
ANY = "*"


@dataclass(frozen=True, slots=True)
class Claim:
    """A way into a service, for one domain and one path; ``tests`` are what else it asks for, in words."""

    candidate: Candidate
    destination: Destination
    way: Way
    domain: str
    path: str
    tests: tuple[tuple[str, ...], ...]
    is_default: bool = False

    @property
    def kind(self) -> int:
        """How the path is compared: whole, by its beginning, or otherwise."""
        return {"path": 0, "path_beg": 1}.get(self.destination.matching.path_type, 2)

    @property
    def is_closed(self) -> bool:
        """Whether nobody is let in, because nobody can be told from others as asked."""
        asked = self.destination.authentication
        unknown = bool(asked.users) and not any(user.password for user in asked.users)
        return self.candidate.closed or (unknown and not asked.ignore_authorization)

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of which one has to fit."""
        return self.destination.matching.service_path if self.kind == 2 else (self.path,)

    @property
    def is_challenge(self) -> bool:
        """Whether it is about challenges of certificate authorities."""
        return self.path.startswith(CHALLENGE)

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two claims the same."""
        priority = 0 if self.is_challenge or self.is_default else self.destination.matching.priority
        return (self.is_default, self.is_challenge, priority, self.domain, self.kind, self.path, self.tests)

    @property
    def seniority(self) -> tuple[object, ...]:
        """Sorts the same claims: the first one wins."""
        form = self.candidate.form
        return (self.candidate.swarm.created_at, form.acl_name, self.destination.index, form.name)

    @property
    def rank(self) -> tuple[object, ...]:
        """Sorts the claims that fit a request: the first one answers."""
        return (
            self.is_default,
            not self.is_challenge,
            0 if self.is_challenge else -self.destination.matching.priority,
            3 if self.domain == ANY else int(self.domain.startswith("*")),
            -len(self.domain),
            self.kind,
            -len(self.path),
            self.path,
            -len(self.tests),
            self.candidate.form.acl_name,
            self.destination.index,
        )

    def fits(self, request: Request) -> bool:
        """Tell whether a request is one of those that it is for."""
        matching = self.destination.matching
        if self.is_default:
            return True
        return (
            fits_domain(self.domain, normal_host(request.host))
            and any(_path_fits(matching.path_type, each, request.path) for each in self.paths)
            and not any(_path_fits(matching.path_type, each, request.path) for each in matching.service_path_exclude)
            and all(
                request.header(each.partition(":")[0]) == each.partition(":")[2] for each in matching.service_header
            )
            and _contains(request.header("User-Agent"), matching.user_agent)
            and matching.src_port in {None, request.port}
            and (not self.way.predicates or request.port == matching.src_https_port)
        )


def _path_fits(kind: str, pattern: str, path: str) -> bool:
    how, *flags = kind.split()
    pattern, path = (pattern.lower(), path.lower()) if flags else (pattern, path)
    if how == "path_reg":
        return re.search(pattern, path) is not None
    if how == "path":
        return path == pattern
    return path.startswith(pattern) if how == "path_beg" else path.endswith(pattern)


def _contains(text: str, patterns: Sequence[str]) -> bool:
    return not patterns or any(pattern.lower() in text.lower() for pattern in patterns)


@dataclass
class Reference:
    """A world in which claims are settled; ``rates`` counts what clients have asked for, as the proxy does."""

    candidates: Sequence[Candidate]
    all_claims: list[Claim] = field(init=False)
    claims: list[list[Claim]] = field(init=False)
    redirects: dict[str, str] = field(init=False)
    rates: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        by_identity: dict[tuple[object, ...], list[Claim]] = {}
        self.all_claims = sorted(_claims(self.candidates), key=lambda claim: claim.seniority)
        for claim in self.all_claims:
            by_identity.setdefault(claim.identity, []).append(claim)
        self.claims = [_holders(same) for same in by_identity.values()]
        self.redirects = _redirects(self.candidates)

    def expected(self, request: Request, client: str) -> "tuple[Expected, ...] | None":
        """Return what may be answered to an HTTP request; None if there is no telling."""
        host = normal_host(request.host)
        if host in self.redirects:
            scheme = "https" if request.secure else "http"
            return (Expected(301, location=f"{scheme}://{self.redirects[host]}{request.path}"),)
        fitting = [holders for holders in self.claims if holders[0].fits(request)]
        if not fitting:
            return (Expected(503, backend="services"),)
        holders = min(fitting, key=lambda each: each[0].rank)
        able = _able(holders)
        if len(able) > 1 and any(claim.destination.limits.rate_limit for claim in able):
            return None
        return tuple(self._answer(claim, request, client) for claim in able)

    def _answer(self, claim: Claim, request: Request, client: str) -> "Expected":
        destination, backend = claim.destination, claim.way.backend
        if claim.is_closed:
            return Expected(503, backend)
        if (status := _refusal(destination, request)) is not None:
            return Expected(status, backend)
        if destination.limits.rate_limit:
            self.rates[client, backend] += 1
            if self.rates[client, backend] > destination.limits.rate_limit.requests:
                return Expected(429, backend)
        if (code := _redirect(destination, request)) is not None:
            return Expected(code, backend, location=f"https://{request.host}{request.path}")
        if not _may_pass(destination, request):
            return Expected(401, backend)
        servers = servers_of(claim.candidate, destination, claim.way)
        return _passed(backend, servers, destination, request) if servers else Expected(503, backend)


def _claims(candidates: Iterable[Candidate]) -> Iterator[Claim]:
    for candidate in candidates:
        for destination in candidate.form.destinations:
            if destination.matching.req_mode != "http":
                continue
            for way in candidate.form.ways(destination):
                yield from _claims_of(candidate, destination, way)


def _claims_of(candidate: Candidate, destination: Destination, way: Way) -> Iterator[Claim]:
    matching = destination.matching
    if matching.path_type in {"path", "path_beg"}:
        paths, by_path = matching.service_path, ()
    else:
        paths, by_path = ("",), (("path", matching.path_type, *matching.service_path),)
    excluded = ("except", matching.path_type, *matching.service_path_exclude)
    tests = (
        *by_path,
        *((excluded,) if matching.service_path_exclude else ()),
        *(("header", header) for header in matching.service_header),
        *((("agent", *matching.user_agent),) if matching.user_agent else ()),
        *((("port", str(matching.src_port)),) if matching.src_port else ()),
        *((("port", str(matching.src_https_port)),) if way.predicates else ()),
    )
    for domain in matching.service_domain or (ANY,):
        for path in paths:
            yield Claim(candidate, destination, way, domain, path, tuple(sorted(tests)))
    if matching.is_default_backend and not way.predicates:
        yield Claim(candidate, destination, way, ANY, "", (), is_default=True)


def _holders(same: list[Claim]) -> list[Claim]:
    """Return who has a route: the oldest, and those who share it."""
    group = same[0].destination.traffic.traffic_group
    return [same[0], *(each for each in same[1:] if group and each.destination.traffic.traffic_group == group)]


def _able(holders: list[Claim]) -> list[Claim]:
    """Return who of those that share a route gets requests."""

    def ready(claim: Claim) -> bool:
        return bool(servers_of(claim.candidate, claim.destination, claim.way)) and not claim.is_closed

    able = [claim for claim in holders if ready(claim)]
    weighty = [claim for claim in able if claim.destination.traffic.weight]
    return weighty or able or holders


def _redirects(candidates: Iterable[Candidate]) -> dict[str, str]:
    found: dict[str, str] = {}
    for candidate in sorted(candidates, key=lambda each: each.seniority):
        for destination in candidate.form.destinations:
            for domain in destination.redirects.redirect_from_domain:
                found.setdefault(domain, destination.matching.service_domain[0])
    return found


def servers_of(candidate: Candidate, destination: Destination, way: Way) -> frozenset[str]:
    """Return the addresses and ports of the servers that answer."""
    tasks = [address_of(task.addresses[0]) for task in candidate.swarm.tasks]
    if tasks and not destination.balancing.by_task:
        tasks = [address_of(candidate.swarm.virtual_ips[0])]
    return frozenset(f"{address}:{way.port}" for address in tasks)


def _refusal(destination: Destination, request: Request) -> int | None:
    access = destination.access
    denied = (
        bool(access.denied_src) and _is_in(request, access.denied_src),
        bool(access.allowed_src) and not _is_in(request, access.allowed_src),
        access.deny_http and not request.secure,
        bool(access.allowed_methods) and request.method not in access.allowed_methods,
        request.method in access.denied_methods,
    )
    return 403 if any(denied) else None


def _is_in(request: Request, networks: Iterable[str]) -> bool:
    return any(network.startswith(f"127.{request.place}.") for network in networks)


def _redirect(destination: Destination, request: Request) -> int | None:
    redirects = destination.redirects
    if request.path.startswith(CHALLENGE):
        return None
    told = request.header("X-Forwarded-Proto")
    proto = "https" if request.secure else told
    if redirects.https_only and not request.secure:
        return int(redirects.https_redirect_code or 302)
    if redirects.redirect_when_http_proto and proto == "http":
        return int(redirects.https_redirect_code or 302)
    return None


def _may_pass(destination: Destination, request: Request) -> bool:
    asked = destination.authentication
    if asked.ignore_authorization or not asked.users:
        return True
    known = {f"{user.name}:{user.password}" for user in asked.users}
    if asked.users_pass_encrypted:
        known = {f"{user.name}:secret" for user in asked.users if user.password == SECRET_HASH}
    return base64.b64decode(request.header("Authorization").removeprefix("Basic ")).decode() in known


@dataclass(frozen=True)
class Expected:
    """What may be answered; ``servers`` are those that may have answered, ``seen`` some of the headers they got.

    ``shown`` are some of the headers of the answer; ``certificates`` are those that may be shown, none meaning any.
    """

    status: int
    backend: str | None = None
    location: str | None = None
    servers: frozenset[str] = frozenset()
    seen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    shown: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    certificates: frozenset[str] = frozenset()

    def allows(self, answer: Answer) -> bool:
        """Tell whether an answer is this one."""
        return (
            answer.status == self.status
            and (not self.certificates or answer.certificate in self.certificates)
            and (self.backend is None or answer.backend == self.backend)
            and (self.location is None or answer.headers.get("location") == (self.location,))
            and (answer.origin in self.servers if self.servers else answer.origin is None)
            and all(answer.seen.get(name, ()) == values for name, values in self.seen.items())
            and all(answer.headers.get(name, ()) == values for name, values in self.shown.items())
        )


def _passed(backend: str, servers: frozenset[str], destination: Destination, request: Request) -> Expected:
    """Return the answer of a service, with what was changed on the way there and back."""
    headers = destination.headers
    seen = {name: tuple(filter(None, (request.header(name),))) for name in ("X-Set", "X-Add", "X-Gone", "X-Extra")}
    for header in headers.add_req_header:
        seen[header.name] += ("".join(header.parts),)
    for header in headers.set_req_header:
        seen[header.name] = ("".join(header.parts),)
    for name in headers.del_req_header:
        seen[name] = ()
    if destination.custom.backend_extra:
        seen["X-Extra"] = ("yes",)
    path = request.path
    for rewrite in destination.rewriting.rewrites:
        path = re.sub(rewrite.search, rewrite.replace, path, count=1)
    shown = {header.name.lower(): ("".join(header.parts),) for header in headers.set_res_header}
    shown |= {"server": () if "Server" in headers.del_res_header else ("origin",)}
    asks = destination.authentication.users and not destination.authentication.ignore_authorization
    login = () if asks else tuple(filter(None, (request.header("Authorization"),)))
    return Expected(
        200,
        backend,
        servers=servers,
        seen={name.lower(): values for name, values in seen.items()} | {":path": (path,), "authorization": login},
        shown={"x-res": ()} | shown,
    )
