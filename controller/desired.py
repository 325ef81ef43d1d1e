"""From judged services to `Desired`: their pieces put together, and conflicts between them settled. Pure.

A service is an island: whatever is wrong with one is written in its conditions and changes no other's backends. Where
several want the same, the oldest one has it.
"""

from collections.abc import Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from itertools import chain
from types import MappingProxyType
from typing import TypeVar

from controller.endpoints import Surroundings
from controller.judging import Candidate, Judged
from controller.pieces import Part, Piece, piece_of
from controller.tls import facts_of, list_all, notices_of
from models import conditions, notices
from models.certificates import CertificateList
from models.conditions import Condition
from models.notices import Notice
from models.passthrough import NameClaim, NameConflict, PassthroughTable, settle_names
from models.proxy import Backend, Desired, LastGood, TcpFrontend, TemplateTexts
from models.raw.frontend_lines import OwnRoutes
from models.router import MOST_TESTED, Router
from models.routing import Claim, Conflict
from models.settings import ProxySettings
from models.sharing import Missed, Sharing
from models.tables import Derived, Gathered, Latest, Table, changed_keys

T = TypeVar("T")


class Builder:
    """Builds one desired state after the other: only what a service that changed contributes is worked out anew."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._surroundings = Surroundings()
        self._texts: Mapping[str, TemplateTexts] = {}
        self._with_certificate: Derived[str, Candidate] = Derived(_with_certificate)
        self._pieces: Derived[str, Piece] = Derived(self._piece)
        self._competing: Derived[str, Piece] = Derived(lambda piece: piece if piece.competes else None)
        self._contest = Latest(_contested)
        self._own_backends: Gathered[str, Backend, str, Backend] = Gathered(_own_backends)
        self._backends: Derived[str, Backend] = Derived(lambda own, contested: own or contested)
        self._claims: Derived[str, tuple[Claim, ...]] = Derived(lambda piece: piece.claims or None)
        self._own_routes: Derived[str, OwnRoutes] = Derived(lambda piece: piece.filled.routes)
        self._in_order = Latest(_in_order)
        self._route = Router()
        self._lost_routes: Derived[str, tuple[Condition, ...]] = Derived(_lost_routes)
        self._crowded_out: Derived[str, tuple[Condition, ...]] = Derived(_crowded_out)
        self._passthrough = Latest(_passed_through)
        self._facts_of_certificates = Latest(_facts_of_certificates)
        self._notices_of_certificates = Latest(_notices_of_certificates)
        self._won_routes: Derived[str, tuple[Notice, ...]] = Derived(_won_routes)
        self._sharing = Sharing()
        self._unshared: Derived[str, tuple[Notice, ...]] = Derived(_unshared)
        self._conditions: Derived[str, tuple[Condition, ...]] = Derived(_conditions)
        self._notices: Derived[str, tuple[Notice, ...]] = Derived(_notices)
        self._forms: Gathered[str, LastGood, str, LastGood] = Gathered(_forms)
        self._templates: Gathered[str, TemplateTexts, str, TemplateTexts] = Gathered(_texts)
        self._desired = Latest(Desired)

    def __call__(
        self,
        judged: Judged,
        surroundings: Surroundings,
        refused_certificates: Mapping[str, str] = MappingProxyType({}),
        templates: Mapping[str, TemplateTexts] = MappingProxyType({}),
    ) -> Desired:
        """Build the desired state of HAProxy and the conditions of every service.

        ``refused_certificates`` are those that HAProxy refused, by fingerprint, with its words; ``templates`` the texts
        of templates in force until now, by service id.
        """
        with_own = self._with_certificate(judged.by_name).values()
        forms = (each.form for each in sorted(with_own, key=lambda each: each.seniority))
        certificates = list_all(forms, self._settings, surroundings, refused_certificates)
        pieces = self._pieces(judged.by_name, again=self._affected(judged.by_name, surroundings, templates))
        contest = self._contest(self._competing(pieces))
        claims = self._claims(pieces)
        own_routes = self._in_order(self._own_routes(pieces))
        routing = self._route(claims, default_apart=bool(own_routes))
        passed = self._pass_through(contest, claims, certificates)
        facts = (
            *(self._lost_routes(routing.lost), self._crowded_out(routing.crowded_out)),
            *(passed.facts, self._facts_of_certificates(certificates)),
        )
        news = (
            *(contest.notices, self._won_routes(routing.won), self._unshared(self._sharing(claims))),
            *(passed.notices, self._notices_of_certificates(certificates)),
        )
        return self._desired(
            self._backends(self._own_backends(pieces), contest.backends),
            contest.frontends,
            passed.table,
            routing.table,
            contest.redirects,
            certificates,
            self._forms(judged.by_name),
            self._conditions(judged.refused, pieces, contest.facts, *facts),
            self._notices(pieces, *news),
            own_routes,
            self._templates(pieces),
            judged.versions,
            claims,
            routing.lost,
            routing.crowded_out,
        )

    def _affected(
        self, candidates: Mapping[str, Candidate], surroundings: Surroundings, templates: Mapping[str, TemplateTexts]
    ) -> Iterable[str]:
        """Take over what is around, and return the services that this may make a difference to."""
        texts, self._texts = self._texts, templates
        if replace(surroundings, now=self._surroundings.now) != self._surroundings:
            self._surroundings = surroundings
            return candidates
        changed = changed_keys(texts, templates)
        return [name for name, each in candidates.items() if each.swarm.id in changed] if changed else ()

    def _piece(self, candidate: Candidate) -> Piece:
        return piece_of(candidate, self._surroundings, self._texts.get(candidate.swarm.id), self._settings)

    def _pass_through(
        self, contest: "_Contested", claims: Table[str, tuple[Claim, ...]], certificates: CertificateList
    ) -> "_Passed":
        """Settle who has connections passed through, against HTTP services where the proxy ends TLS itself."""
        speaks_tls = self._settings.crt_list_path is not None or certificates.default is not None
        shared = frozenset(bind.port for bind in self._settings.binds if bind.ssl and speaks_tls)
        compete = any(claim.port in shared for claim in contest.name_claims)
        return self._passthrough(contest.name_claims, shared, *((contest.http_claims, claims) if compete else ((), {})))


def build_desired(
    judged: Judged,
    settings: ProxySettings,
    surroundings: Surroundings,
    refused_certificates: Mapping[str, str] = MappingProxyType({}),
    templates: Mapping[str, TemplateTexts] = MappingProxyType({}),
) -> Desired:
    """Build one desired state; see `Builder`."""
    return Builder(settings)(judged, surroundings, refused_certificates, templates)


@dataclass(slots=True)
class _Contest:
    """Who gets what only one service can have; services are let in by age, the oldest first."""

    backends: list[Backend] = field(default_factory=list)
    groups: dict[str, Backend] = field(default_factory=dict)
    group_names: dict[tuple[str, str], str] = field(default_factory=dict)
    ports: dict[int, tuple[str, str]] = field(default_factory=dict)
    frontends: dict[int, TcpFrontend] = field(default_factory=dict)
    name_claims: list[NameClaim] = field(default_factory=list)
    redirects: dict[str, tuple[str, Claim]] = field(default_factory=dict)
    contested: list[tuple[str, Notice]] = field(default_factory=list)

    def enter(self, piece: Piece) -> list[Condition]:
        """Give a service what nobody has taken before, and return what is to be said of it."""
        facts = [*piece.first_facts]
        has_backend = False
        for part in piece.parts:
            facts.extend(part.destination_facts)
            if part.group and piece.candidate.closed:
                continue
            if conflict := self._claim_port(piece, part):
                facts.append(conflict)
                continue
            has_backend = True
            facts.extend(part.facts)
            self.name_claims.extend(part.name_claims)
            facts.extend(self._add(part, piece.candidate.form.published_name))
        facts.extend(self._claim_redirects(piece))
        return facts if has_backend else [*facts, conditions.not_programmed()]

    def _claim_port(self, piece: Piece, part: Part) -> Condition | None:
        claim = part.port
        if claim is None:
            return None
        if claim.conflict is not None:
            return claim.conflict
        user, owner = self.ports.setdefault(claim.port, (claim.user, piece.candidate.swarm.name))
        if user != claim.user:
            self._contest(owner, f"port {claim.port}", piece.candidate.swarm.name)
            return conditions.port_conflict(port=claim.port, winner=f"service {owner}")
        if claim.frontend is not None:
            self.frontends.setdefault(claim.port, claim.frontend)
        return None

    def _add(self, part: Part, name: str) -> Iterable[Condition]:
        if part.group is not None:
            return self._join(part.group, part.backend, name)
        self.backends.append(part.backend)
        return ()

    def _join(self, group: str, member: Backend, name: str) -> tuple[Condition, ...]:
        """Put a member's servers into its group's backend, whose options are those of the first member.

        Source: DFP's ``serviceGroup``; servers are named as there, ``<group>-<service><port>_<task>``. Of two services
        that are published under the same ``name`` the second one's servers have its full name.
        """
        owner = self.group_names.setdefault((member.name, name), member.service)
        shown = name if owner == member.service else member.service
        prefix = f"{group}-{shown}{member.destination.target.port}"
        servers = tuple(replace(server, name=server.name.replace(name, prefix, 1)) for server in member.servers)
        leader = self.groups.get(member.name)
        if leader is None:
            self.groups[member.name] = replace(member, servers=servers)
            return ()
        if leader.destination.access != member.destination.access:
            self._contest(leader.service, f"who may connect to the group {group}", member.service)
            return (conditions.group_conflict(group=group, leader=leader.service),)
        others = () if member.service in leader.services else (member.service,)
        known = {server.name for server in leader.servers}
        new = tuple(server for server in servers if server.name not in known)
        joined = replace(leader, servers=(*leader.servers, *new), others=(*leader.others, *others))
        self.groups[member.name] = joined
        return ()

    def _claim_redirects(self, piece: Piece) -> Iterable[Condition]:
        """Claim the domains that are redirected; tell of those that an older service redirects elsewhere."""
        for wanted, claim in piece.redirects:
            target, owner = self.redirects.setdefault(claim.domain, (wanted, claim))
            if target != wanted:
                what = f"the redirect from {claim.domain}"
                self._contest(owner.service, what, claim.service)
                yield conditions.route_conflict(route=what, winner=owner.service)

    def _contest(self, owner: str, what: str, rival: str) -> None:
        """Note for the one that has something that another service claims it."""
        if owner != rival:
            self.contested.append((owner, notices.contested(what, by=rival)))


@dataclass(frozen=True, slots=True)
class _Contested:
    """Who got what only one service can have; ``http_claims`` are those of domains that are redirected."""

    backends: Mapping[str, Backend]
    frontends: tuple[TcpFrontend, ...]
    redirects: Mapping[str, str]
    name_claims: tuple[NameClaim, ...]
    http_claims: tuple[Claim, ...]
    facts: Mapping[str, tuple[Condition, ...]]
    notices: Mapping[str, tuple[Notice, ...]]


def _contested(competing: Mapping[str, Piece]) -> _Contested:
    contest = _Contest()
    by_age = sorted(competing.values(), key=lambda piece: piece.candidate.seniority)
    facts = {piece.candidate.swarm.name: tuple(contest.enter(piece)) for piece in by_age}
    return _Contested(
        backends={backend.name: backend for backend in (*contest.backends, *contest.groups.values())},
        frontends=tuple(contest.frontends[port] for port in sorted(contest.frontends)),
        redirects={domain: contest.redirects[domain][0] for domain in sorted(contest.redirects)},
        name_claims=tuple(dict.fromkeys(contest.name_claims)),
        http_claims=tuple(claim for _, claim in contest.redirects.values()),
        facts=facts,
        notices=_by_service(contest.contested),
    )


@dataclass(frozen=True, slots=True)
class _Passed:
    """The table of connections that are passed through, and what is to be said of services about it."""

    table: PassthroughTable
    facts: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)


def _passed_through(
    name_claims: Iterable[NameClaim],
    shared: AbstractSet[int],
    redirects: Iterable[Claim],
    http: Mapping[str, tuple[Claim, ...]],
) -> _Passed:
    if not name_claims:
        return _Passed(PassthroughTable())
    settled = settle_names(name_claims, (*chain.from_iterable(http.values()), *redirects), shared)
    facts: list[tuple[str, Condition]] = []
    news: list[tuple[str, str, str]] = []
    for conflict in settled.conflicts:
        loser, winner = conflict.loser, conflict.winner
        facts.append((loser.service, _name_conflict_fact(conflict)))
        news.append((winner, loser.route, loser.service))
    for each in settled.passed:
        facts.append((each.service, conditions.passed_through(name=each.name, port=each.port, winner=each.winner)))
        news.append((each.winner, f"HTTPS for {each.name} on port {each.port}", each.service))
    told = ((winner, notices.contested(what, by=loser)) for winner, what, loser in news if winner != loser)
    return _Passed(settled.table, _by_service(facts), _by_service(told))


def _notices_of_certificates(certificates: CertificateList) -> Mapping[str, tuple[Notice, ...]]:
    return _by_service(notices_of(certificates))


def _facts_of_certificates(certificates: CertificateList) -> Mapping[str, tuple[Condition, ...]]:
    return _by_service(facts_of(certificates))


def _by_service(told: Iterable[tuple[str, T]]) -> Mapping[str, tuple[T, ...]]:
    found: dict[str, tuple[T, ...]] = {}
    for name, each in told:
        found[name] = (*found.get(name, ()), each)
    return found


def _conditions(
    refused: tuple[Condition, ...] | None,
    piece: Piece | None,
    contested: tuple[Condition, ...] | None,
    *others: tuple[Condition, ...] | None,
) -> tuple[Condition, ...] | None:
    """Return one condition of each type for a service, from all that there is to be said of it."""
    if refused is not None:
        return conditions.merged((*conditions.pending(), *refused))
    if piece is None:
        return None
    own = piece.conditions if contested is None else contested
    told = [*chain.from_iterable(filter(None, others))]
    is_settled = contested is None and not told
    return own if is_settled else conditions.merged((*own, *told))


def _notices(piece: Piece | None, *others: tuple[Notice, ...] | None) -> tuple[Notice, ...] | None:
    """Return what is to be known about a service that runs, nothing twice; None if that is nothing."""
    if piece is None:
        return None
    told = dict.fromkeys(chain.from_iterable(filter(None, others)))
    return (*piece.candidate.notices, *told) or None


def _won_routes(conflicts: Iterable[Conflict]) -> tuple[Notice, ...]:
    return tuple(notices.contested(each.loser.route, by=each.loser.service) for each in conflicts)


def _unshared(missed: Iterable[Missed]) -> tuple[Notice, ...]:
    return tuple(
        notices.route_not_shared(
            route=claim.route, group=str(claim.group), other=other.service, other_route=other.route
        )
        for claim, other in missed
    )


def _lost_routes(conflicts: Iterable[Conflict]) -> tuple[Condition, ...]:
    return tuple(map(_conflict_fact, conflicts))


def _crowded_out(claims: Iterable[Claim]) -> tuple[Condition, ...]:
    return tuple(conditions.too_many_conditions(route=claim.route, most=MOST_TESTED) for claim in claims)


def _with_certificate(candidate: Candidate) -> Candidate | None:
    return candidate if candidate.form.certificates.service_cert else None


def _own_backends(piece: Piece) -> Mapping[str, Backend]:
    return {} if piece.competes else {backend.name: backend for backend in piece.backends}


def _in_order(own_routes: Mapping[str, OwnRoutes]) -> tuple[OwnRoutes, ...]:
    return tuple(sorted(own_routes.values(), key=lambda own: own.acl_name))


def _forms(candidate: Candidate) -> Mapping[str, LastGood]:
    return {} if candidate.good is None else {candidate.swarm.id: candidate.good}


def _texts(piece: Piece) -> Mapping[str, TemplateTexts]:
    return {piece.candidate.swarm.id: piece.filled.texts} if piece.filled.texts else {}


def _name_conflict_fact(conflict: NameConflict) -> Condition:
    route = conflict.loser.route
    if conflict.winner == conflict.loser.service:
        return conditions.route_repeated(route=route, index=conflict.winner_index)
    return conditions.route_conflict(route=route, winner=conflict.winner)


def _conflict_fact(conflict: Conflict) -> Condition:
    route, winner = conflict.loser.route, conflict.winner
    if winner.service == conflict.loser.service:
        return conditions.route_repeated(route=route, index=winner.index)
    return conditions.route_conflict(route=route, winner=winner.service)
