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
class EndedName:
    """A name, ending or `ANY_DOMAIN`, for which an HTTP service answers the HTTPS requests of one port."""

    port: int
    name: str
    service: str
    seniority: tuple[datetime, str, int, str]


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


def ended_names(claims: Iterable[Claim], ports: AbstractSet[int]) -> Iterator[EndedName]:
    """Return what HTTP services claim on the ports that speak TLS.

    Challenges of certificate authorities are not among it: they are fetched by HTTP (RFC 8555, 8.3).
    """
    for claim in claims:
        if claim.tier != ACME_TIER:
            for port in sorted(_ports_of(claim, ports)):
                yield EndedName(port, claim.domain, claim.service, claim.seniority)


def _ports_of(claim: Claim, ports: AbstractSet[int]) -> AbstractSet[int]:
    for predicate in claim.predicates:
        if predicate.fetch == "dst_port":
            ports = ports & set(map(int, predicate.patterns))
    return ports


def settle_names(claims: Iterable[NameClaim], ended: Iterable[EndedName], shared: AbstractSet[int]) -> Settled:
    """Settle who gets which connections, and build the tables.

    Args:
        claims: those of services that have connections passed through.
        ended: those of HTTP services, on the ports in ``shared``.
        shared: the ports on which the proxy ends TLS.
    """
    by_identity: dict[tuple[object, ...], list[NameClaim]] = {}
    for claim in sorted(claims, key=lambda claim: claim.seniority):
        by_identity.setdefault(claim.identity, []).append(claim)
    http = _http_claims(ended)
    winners: list[NameClaim] = []
    conflicts: list[NameConflict] = []
    passed: list[PassedThrough] = []
    for (first, *others), rivals in ((each, _rivals(each[0], http)) for each in by_identity.values()):
        older = next((rival for rival in rivals if rival.seniority < first.seniority), None)
        if older is not None:
            index = older.seniority[2]
            conflicts += [NameConflict(claim, older.service, index) for claim in (first, *others)]
            continue
        winners.append(first)
        conflicts += [NameConflict(claim, first.service, first.index) for claim in others]
        losers = dict.fromkeys(rival.service for rival in rivals)
        passed += [PassedThrough(service, first.name, first.port, first.service) for service in losers]
    return Settled(_table(winners, http, shared), tuple(conflicts), tuple(passed))


_HttpClaims = Mapping[tuple[int, str], list[EndedName]]


def _http_claims(ended: Iterable[EndedName]) -> _HttpClaims:
    """Return the claims of HTTP services by port and name, the oldest first."""
    found: dict[tuple[int, str], list[EndedName]] = {}
    for each in sorted(ended, key=lambda each: each.seniority):
        found.setdefault((each.port, each.name), []).append(each)
    return found


def _rivals(claim: NameClaim, http: _HttpClaims) -> list[EndedName]:
    """Return who else claims the same; a service that has both kinds wants its HTTP on the other ports."""
    same = [] if claim.test is not None else http.get((claim.port, claim.name), [])
    return [each for each in same if each.service != claim.service]


def _table(winners: Sequence[NameClaim], http: _HttpClaims, shared: AbstractSet[int]) -> PassthroughTable:
    covered = _covered(http, winners)
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


def _covered(http: _HttpClaims, winners: Sequence[NameClaim]) -> list[tuple[int, str]]:
    """Return what HTTP services claim and less specific claims would take from them; only that needs entries."""
    taking_all = {claim.port for claim in winners if claim.name == ANY_DOMAIN}
    endings = {(claim.port, claim.name[1:]) for claim in winners if _is_ending(claim.name)}
    return [
        (port, name)
        for port, name in http
        if name != ANY_DOMAIN and (port in taking_all or any((port, end) in endings for end in _endings_of(name)))
    ]


def _endings_of(name: str) -> Iterator[str]:
    return (name[start:] for start in range(len(name)))


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
