"""Who gets which TLS connections by the name that the client asks for, without TLS being ended here.

Precedence, for the connections of one port (each step only decides between equals of the one before):

===  =================================================================
1    the exact name
2    the longest ending (``*.example.com``)
3    tests, such as regular expressions, in the order of 5
4    everything else
5    the lower ``aclName``, then the lower index
===  =================================================================

Two claims of the same name, ending or test on one port are in conflict: the older service has it.

A port may be shared with HTTPS that the proxy itself ends, whose services claim names as well. They take part in the
same contest: the same name goes to the older one of the two, and the more specific name wins otherwise. What nobody
has passed through is handed over to the HTTP frontend.

Names, endings and everything else are data, keys of three maps for all ports: ``<name>#<port>``, ``<ending>#<port>``
and ``<port>``. No name can forge a key, since the port that follows it is ours. The tests are rules.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime

from models.predicates import Predicate
from models.routing import ACME_TIER, ANY_DOMAIN, Claim

NAME = "var(txn.host)"
"""HAProxy's expression for the name that a client asks for, in lower case."""
HANDOVER = "proxy:tls"
"""What the names of backends begin with that hand connections over to the HTTP frontend; no service's has a colon."""


def handover(port: int) -> str:
    """Return the name of the backend that hands the connections of one port over to the HTTP frontend."""
    return f"{HANDOVER}{port}"


@dataclass(frozen=True, slots=True)
class NameClaim:
    """A destination's wish to get the TLS connections of one port for one name, ending (``*...``) or test.

    ``name`` is `ANY_DOMAIN` in the claim for everything else, and where there is a ``test``. ``keep_alive`` asks for
    TCP keepalive packets on the port.
    """

    port: int
    name: str
    backend: str
    service: str
    acl_name: str
    index: int
    created_at: datetime
    test: Predicate | None = None
    keep_alive: bool = False

    @property
    def identity(self) -> tuple[object, ...]:
        """What makes two claims the same."""
        return (self.port, self.name, self.test)

    @property
    def route(self) -> str:
        """The claim in words fit for a message."""
        if self.test is not None:
            words = f"names by predicate ({' '.join((*self.test.flags, *self.test.patterns))})"
        else:
            words = "everything else" if self.name == ANY_DOMAIN else self.name
        return f"sni:{self.port} {words}"

    @property
    def seniority(self) -> tuple[datetime, str, int, str]:
        """Sorts the claims of one identity: the first wins."""
        return (self.created_at, self.acl_name, self.index, self.service)

    @property
    def precedence(self) -> tuple[object, ...]:
        """Sorts the tests of one port: the first that holds decides."""
        return (self.acl_name, self.index, self.service, (self.test.patterns, self.test.flags) if self.test else ())


@dataclass(frozen=True, slots=True)
class NameConflict:
    """A claim that lost ``route`` against an older one of ``winner``, which may be the same service."""

    loser: NameClaim
    winner: str
    winner_index: int


@dataclass(frozen=True, slots=True)
class PassedThrough:
    """An HTTP service that does not get the HTTPS requests for a name, since an older one has them passed through."""

    service: str
    name: str
    port: int
    winner: str


@dataclass(frozen=True, slots=True)
class NameRule:
    """The test of one claim: if it holds, ``backend`` gets the connection."""

    backend: str
    test: Predicate


@dataclass(frozen=True, slots=True)
class PassthroughPort:
    """A port with at least one service; ``shared``: the rest is handed over to the HTTP frontend."""

    port: int
    rules: tuple[NameRule, ...] = ()
    shared: bool = False
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class PassthroughTable:
    """The lookup tables and the ports. ``endings`` is ordered, longest first; ``routes`` are in words, by backend."""

    names: Mapping[str, str] = field(default_factory=dict)
    endings: Mapping[str, str] = field(default_factory=dict)
    rest: Mapping[str, str] = field(default_factory=dict)
    ports: tuple[PassthroughPort, ...] = ()
    routes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def shared(self) -> tuple[PassthroughPort, ...]:
        """The ports that are shared with HTTPS that the proxy ends."""
        return tuple(port for port in self.ports if port.shared)


@dataclass(frozen=True, slots=True)
class Settled:
    """The table, and who did not get what."""

    table: PassthroughTable
    conflicts: tuple[NameConflict, ...] = ()
    passed: tuple[PassedThrough, ...] = ()


def settle_names(claims: Iterable[NameClaim], http: Iterable[Claim], shared: AbstractSet[int]) -> Settled:
    """Settle who gets which connections, and build the tables.

    Args:
        claims: those of services that have connections passed through.
        http: those of HTTP services.
        shared: the ports on which the proxy ends TLS, where both compete.
    """
    by_identity: dict[tuple[object, ...], list[NameClaim]] = {}
    for claim in sorted(claims, key=lambda claim: claim.seniority):
        by_identity.setdefault(claim.identity, []).append(claim)
    competes = any(first.port in shared for first, *_ in by_identity.values())
    contest = _Contest(http if competes else (), shared)
    winners: list[NameClaim] = []
    conflicts: list[NameConflict] = []
    passed: list[PassedThrough] = []
    for first, *others in by_identity.values():
        rivals = contest.rivals(first)
        if rivals and rivals[0].seniority < first.seniority:
            conflicts += [NameConflict(claim, rivals[0].service, rivals[0].index) for claim in (first, *others)]
            continue
        winners.append(first)
        conflicts += [NameConflict(claim, first.service, first.index) for claim in others]
        losers = dict.fromkeys(rival.service for rival in rivals)
        passed += [PassedThrough(service, first.name, first.port, first.service) for service in losers]
    return Settled(_table(winners, contest.covered(winners), shared), tuple(conflicts), tuple(passed))


class _Contest:
    """What HTTP services claim on shared ports.

    Challenges of certificate authorities are not among it: they are fetched by HTTP (RFC 8555, 8.3).
    """

    def __init__(self, http: Iterable[Claim], shared: AbstractSet[int]) -> None:
        self._shared = shared
        self._by_domain: dict[str, list[Claim]] = {}
        for claim in http:
            if claim.tier != ACME_TIER:
                self._by_domain.setdefault(claim.domain, []).append(claim)

    def rivals(self, claim: NameClaim) -> list[Claim]:
        """Return who claims the same, the oldest first; a service that has both kinds wants its HTTP elsewhere."""
        if claim.test is not None or claim.port not in self._shared:
            return []
        same = (each for each in self._by_domain.get(claim.name, ()) if each.service != claim.service)
        return sorted((each for each in same if _is_for(each, claim.port)), key=lambda each: each.seniority)

    def covered(self, winners: Sequence[NameClaim]) -> Iterator[tuple[int, str]]:
        """Return what less specific claims would take, by port and name; nothing else needs entries."""
        for port in sorted(self._shared & {claim.port for claim in winners}):
            wide = {claim.name for claim in winners if claim.port == port and claim.name.startswith("*")}
            for name, claims in self._by_domain.items() if wide else ():
                if _is_within(name, wide) and any(_is_for(each, port) for each in claims):
                    yield port, name


def _is_for(claim: Claim, port: int) -> bool:
    """Return whether the claim of an HTTP service is for requests that come to a port."""
    tests = (each for each in claim.predicates if each.fetch == "dst_port")
    return all(str(port) in each.patterns for each in tests)


def _is_within(name: str, wide: AbstractSet[str]) -> bool:
    """Return whether a name or ending is one of those that wider claims are for."""
    if name == ANY_DOMAIN:
        return False
    return ANY_DOMAIN in wide or any(f"*{name[start:]}" in wide for start in range(len(name)))


def _table(
    winners: Sequence[NameClaim], covered: Iterable[tuple[int, str]], shared: AbstractSet[int]
) -> PassthroughTable:
    found = {(port, name): handover(port) for port, name in covered}
    found |= {(claim.port, claim.name): claim.backend for claim in winners if claim.test is None}
    names = {f"{name}#{port}": backend for (port, name), backend in found.items() if not name.startswith("*")}
    endings = {f"{name[1:]}#{port}": backend for (port, name), backend in found.items() if _is_ending(name)}
    rest = {str(port): backend for (port, name), backend in found.items() if name == ANY_DOMAIN}
    return PassthroughTable(
        names=dict(sorted(names.items())),
        endings=dict(sorted(endings.items(), key=lambda entry: (-len(entry[0]), entry[0]))),
        rest=dict(sorted(rest.items())),
        ports=tuple(_ports(winners, shared)),
        routes=_routes(winners),
    )


def _is_ending(name: str) -> bool:
    return name.startswith("*") and name != ANY_DOMAIN


def _ports(winners: Iterable[NameClaim], shared: AbstractSet[int]) -> Iterator[PassthroughPort]:
    by_port: dict[int, list[NameClaim]] = {}
    for claim in sorted(winners, key=lambda claim: claim.precedence):
        by_port.setdefault(claim.port, []).append(claim)
    for port, claims in sorted(by_port.items()):
        yield PassthroughPort(
            port,
            rules=tuple(NameRule(claim.backend, claim.test) for claim in claims if claim.test is not None),
            shared=port in shared,
            keep_alive=any(claim.keep_alive for claim in claims),
        )


def _routes(winners: Iterable[NameClaim]) -> dict[str, tuple[str, ...]]:
    routes: dict[str, list[str]] = {}
    for claim in winners:
        routes.setdefault(claim.backend, []).append(claim.route)
    return {backend: tuple(sorted(words)) for backend, words in routes.items()}
