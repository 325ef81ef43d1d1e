"""From judged services to `Desired`: their pieces put together, and conflicts between them settled. Pure.

A service is an island: whatever is wrong with one is written in its conditions and changes no other's backends. Where
several want the same, the oldest one has it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

from controller.endpoints import Surroundings
from controller.judging import Judged
from controller.pieces import Part, Piece, piece_of
from controller.tls import facts_of, list_all, notices_of
from models import conditions, notices
from models.certificates import CertificateList
from models.conditions import Condition
from models.memo import Memo
from models.notices import Notice
from models.passthrough import NameClaim, NameConflict, PassthroughTable, settle_names
from models.proxy import Backend, Desired, TcpFrontend, TemplateTexts
from models.routing import Claim, Conflict, RoutingTable, build_routing
from models.settings import ProxySettings
from models.sharing import unshared


class Builder:
    """Builds one desired state after the other; the piece of a service that is the same is not worked out again."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._pieces = Memo(partial(piece_of, settings=settings))
        self._surroundings = Surroundings()
        self._last = Memo(self._build)

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
        if replace(surroundings, now=self._surroundings.now) != self._surroundings:
            self._surroundings = surroundings
        with_own = (each for each in judged.candidates if each.form.certificates.service_cert)
        forms = (each.form for each in sorted(with_own, key=lambda each: each.seniority))
        certificates = list_all(forms, self._settings, surroundings, refused_certificates)
        desired = self._last("last", judged, self._surroundings, certificates, dict(templates))
        self._last.forget_unused()
        return desired

    def _build(
        self,
        judged: Judged,
        surroundings: Surroundings,
        certificates: CertificateList,
        templates: Mapping[str, TemplateTexts],
    ) -> Desired:
        pieces = [
            self._pieces(each.swarm.id, each, surroundings, templates.get(each.swarm.id)) for each in judged.candidates
        ]
        self._pieces.forget_unused()
        return _assembled(pieces, judged, certificates, self._settings)


def build_desired(
    judged: Judged,
    settings: ProxySettings,
    surroundings: Surroundings,
    refused_certificates: Mapping[str, str] = MappingProxyType({}),
    templates: Mapping[str, TemplateTexts] = MappingProxyType({}),
) -> Desired:
    """Build one desired state; see `Builder`."""
    return Builder(settings)(judged, surroundings, refused_certificates, templates)


def _by_age(pieces: Iterable[Piece]) -> list[Piece]:
    return sorted(pieces, key=lambda piece: piece.candidate.seniority)


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


@dataclass(slots=True)
class _Facts:
    """What is to be said of services beside what their pieces say."""

    by_name: dict[str, list[Condition]]
    pieces: Mapping[str, Piece]
    notices: dict[str, list[Notice]] = field(default_factory=dict)

    def add(self, name: str, fact: Condition) -> None:
        """Say one thing more about a service."""
        if name not in self.by_name:
            self.by_name[name] = [*self.pieces[name].conditions]
        self.by_name[name].append(fact)

    def notice(self, name: str, news: Notice) -> None:
        """Say something about a service that is no fault."""
        known = self.notices.setdefault(name, [])
        if news not in known:
            known.append(news)

    def lost(self, loser: str, fact: Condition, what: str, winner: str) -> None:
        """Say that a service does not get what it claims, to it and to the one that has it."""
        self.add(loser, fact)
        if winner != loser:
            self.notice(winner, notices.contested(what, by=loser))

    def noticed(self) -> dict[str, tuple[Notice, ...]]:
        """Return what is to be known about services, by name."""
        own = {name: piece.candidate.notices for name, piece in self.pieces.items()}
        told = {name: (*known, *self.notices.get(name, ())) for name, known in own.items()}
        return {name: known for name, known in told.items() if known}

    def merged(self, refused: Mapping[str, tuple[Condition, ...]]) -> dict[str, tuple[Condition, ...]]:
        """Return one condition of each type for every service, by name."""
        found = {name: piece.conditions for name, piece in self.pieces.items() if name not in self.by_name}
        found |= {name: conditions.merged(facts) for name, facts in self.by_name.items()}
        found |= {name: conditions.merged((*conditions.pending(), *facts)) for name, facts in refused.items()}
        return dict(sorted(found.items()))


def _assembled(
    pieces: Sequence[Piece], judged: Judged, certificates: CertificateList, settings: ProxySettings
) -> Desired:
    contest = _Contest()
    facts = _Facts(
        {each.candidate.swarm.name: contest.enter(each) for each in _by_age(filter(_competes, pieces))},
        {each.candidate.swarm.name: each for each in pieces},
    )
    for name, news in contest.contested:
        facts.notice(name, news)
    backends = [backend for piece in pieces if not piece.competes for backend in piece.backends]
    claims = [claim for piece in pieces for claim in piece.claims]
    own_routes = sorted((each.filled.routes for each in pieces if each.filled.routes), key=lambda own: own.acl_name)
    routing = _settle_routes(claims, facts, has_own_routes=bool(own_routes))
    passthrough = _settle_passthrough(contest, claims, facts, certificates, settings)
    for name, fact in facts_of(certificates):
        facts.add(name, fact)
    for name, news in notices_of(certificates):
        facts.notice(name, news)
    candidates = [piece.candidate for piece in pieces]
    return Desired(
        backends=tuple(
            sorted((*backends, *contest.backends, *contest.groups.values()), key=lambda backend: backend.name)
        ),
        tcp_frontends=tuple(contest.frontends[port] for port in sorted(contest.frontends)),
        passthrough=passthrough,
        routing=routing,
        redirects={domain: contest.redirects[domain][0] for domain in sorted(contest.redirects)},
        certificates=certificates,
        forms={each.swarm.id: each.good for each in candidates if each.good},
        conditions=facts.merged(judged.refused),
        notices=facts.noticed(),
        own_routes=tuple(own_routes),
        templates={each.candidate.swarm.id: each.filled.texts for each in pieces if each.filled.texts},
    )


def _competes(piece: Piece) -> bool:
    return piece.competes


def _settle_routes(claims: Sequence[Claim], facts: _Facts, *, has_own_routes: bool) -> RoutingTable:
    routing, conflicts = build_routing(claims, default_apart=has_own_routes)
    for conflict in conflicts:
        loser, winner = conflict.loser, conflict.winner
        facts.lost(loser.service, _conflict_fact(conflict), loser.route, winner.service)
    for claim, other in unshared(claims):
        told = {"route": claim.route, "group": str(claim.group), "other": other.service, "other_route": other.route}
        facts.notice(claim.service, notices.route_not_shared(**told))
    return routing


def _settle_passthrough(
    contest: _Contest,
    claims: Sequence[Claim],
    facts: _Facts,
    certificates: CertificateList,
    settings: ProxySettings,
) -> PassthroughTable:
    """Settle who has connections passed through, against all HTTP services where the proxy ends TLS itself."""
    if not contest.name_claims:
        return PassthroughTable()
    speaks_tls = settings.crt_list_path is not None or certificates.default is not None
    shared = frozenset(bind.port for bind in settings.binds if bind.ssl and speaks_tls)
    http = (*claims, *(claim for _, claim in contest.redirects.values()))
    settled = settle_names(dict.fromkeys(contest.name_claims), http, shared)
    for conflict in settled.conflicts:
        loser = conflict.loser
        facts.lost(loser.service, _name_conflict_fact(conflict), loser.route, conflict.winner)
    for each in settled.passed:
        fact = conditions.passed_through(name=each.name, port=each.port, winner=each.winner)
        facts.lost(each.service, fact, f"HTTPS for {each.name} on port {each.port}", each.winner)
    return settled.table


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
