"""From a `Snapshot` to `Desired`: reading labels, settling conflicts, finding endpoints and users. Pure.

A service is an island: whatever is wrong with one is written in its conditions and changes no other's backends. One
whose labels became invalid keeps its last valid form, except when the broken label narrows access: then its routes
answer 503 rather than open up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from types import MappingProxyType

from controller.access import UserListResult, user_list_of
from controller.endpoints import Surroundings, endpoints_of, outside_host
from controller.tls import client_facts, facts_of, identity_of, list_all
from models import conditions
from models.certificates import CertificateList
from models.claims import claims_of, name_claims_of
from models.conditions import Condition
from models.passthrough import NameClaim, NameConflict, PassthroughTable, settle_names
from models.proxy import Backend, Desired, TcpFrontend
from models.reading import PREFIX, LabelRules, Reading, read_labels
from models.routing import Claim, Conflict, RoutingTable, build_routing
from models.service import Destination, ProxyService, Way
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
from models.types import is_name


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Swarm service with the form that is to be run for it, and what has been found out on the way.

    ``good`` is the form to go back to when the next labels are invalid; a form that had to be closed is none.
    """

    swarm: SwarmService
    form: ProxyService
    good: ProxyService | None
    closed: bool = False
    found: tuple[Condition, ...] = ()
    deprecations: tuple[str, ...] = ()

    @property
    def seniority(self) -> tuple[object, ...]:
        """Sorts services that compete for the same thing: the first wins."""
        return (self.swarm.created_at, self.form.acl_name, self.swarm.name)

    def with_condition(self, condition: Condition) -> "Candidate":
        """Return the same with one more fact."""
        return replace(self, found=(*self.found, condition))


@dataclass(frozen=True, slots=True)
class Judged:
    """The services that have a form to run, and the conditions of those that have none."""

    candidates: tuple[Candidate, ...]
    refused: Mapping[str, tuple[Condition, ...]]


@dataclass(slots=True)
class _Build:
    """What `build_desired` collects while it walks the candidates."""

    backends: list[Backend] = field(default_factory=list)
    groups: dict[str, Backend] = field(default_factory=dict)
    ports: dict[int, tuple[str, str]] = field(default_factory=dict)
    group_names: dict[tuple[str, str], str] = field(default_factory=dict)
    frontends: dict[int, TcpFrontend] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    name_claims: list[NameClaim] = field(default_factory=list)
    conditions: dict[str, list[Condition]] = field(default_factory=dict)
    present: set[str] = field(default_factory=set)
    redirects: dict[str, tuple[str, Claim]] = field(default_factory=dict)


def judge(
    snapshot: Snapshot, settings: ProxySettings, *, forms: Mapping[str, ProxyService], rejected: Mapping[str, str]
) -> Judged:
    """Decide for every service which form of it is to be run.

    Args:
        snapshot: the world.
        settings: the proxy's own.
        forms: the valid forms in force until now, by service id.
        rejected: services whose configuration HAProxy refused, with its words, by service name.
    """
    candidates: list[Candidate] = []
    refused: dict[str, tuple[Condition, ...]] = {}
    for service in filter(partial(_is_for, settings), snapshot.services):
        candidate = _candidate(service, settings.label_rules, forms.get(service.id))
        if service.name in rejected and isinstance(candidate, Candidate):
            candidate = (*candidate.found, conditions.config_rejected(rejected[service.name]))
        if isinstance(candidate, Candidate) and candidate.form.identity.replicas == 0:
            candidate = (*candidate.found, conditions.switched_off())
        if isinstance(candidate, Candidate):
            candidates.append(candidate)
        else:
            refused[service.name] = candidate
    return _settle_names(candidates, refused)


def _is_for(settings: ProxySettings, service: SwarmService) -> bool:
    """Return whether a service is for this proxy instance; one that is for another is none of our business."""
    asked = service.labels.get(f"{PREFIX}proxyInstanceName", "")
    return not settings.filter_proxy_instance_name or asked.lower() == settings.proxy_instance_name.lower()


def _settle_names(candidates: list[Candidate], refused: dict[str, tuple[Condition, ...]]) -> Judged:
    """Give each ``aclName`` to the oldest service that uses it."""
    owners: dict[str, Candidate] = {}
    for candidate in sorted(candidates, key=lambda candidate: candidate.seniority):
        owner = owners.setdefault(candidate.form.acl_name, candidate)
        if owner is not candidate:
            conflict = conditions.name_conflict(name=owner.form.acl_name, winner=owner.swarm.name)
            refused[candidate.swarm.name] = (*candidate.found, conflict, conditions.not_programmed())
    return Judged(tuple(sorted(owners.values(), key=lambda candidate: candidate.swarm.name)), refused)


def _candidate(
    service: SwarmService, rules: LabelRules, last: ProxyService | None
) -> Candidate | tuple[Condition, ...]:
    if not is_name(service.name):
        return (conditions.invalid_name(service.name), conditions.not_programmed())
    reading = _read(service, service.labels, rules)
    candidate = partial(Candidate, service, deprecations=reading.deprecations)
    if reading.service is not None:
        return candidate(reading.service, reading.service, found=(conditions.accepted(),))
    invalid = conditions.invalid_labels(
        (problem.text for problem in reading.problems), unknown_only=reading.unknown_only
    )
    if last is None and service.previous_labels is not None:
        last = _read(service, service.previous_labels, rules).service
    if reading.restricts:
        form = _without_restrictions(service, reading, rules) or last
        if form is not None:
            return candidate(form, last, closed=True, found=(invalid, conditions.failed_closed()))
    if last is None or reading.restricts:
        return (invalid, conditions.not_programmed())
    return candidate(last, last, found=(invalid, conditions.last_good_kept()))


def _read(service: SwarmService, labels: Mapping[str, str], rules: LabelRules) -> Reading:
    return _read_once(service.name, service.stack, frozenset(labels.items()), rules)


@lru_cache(maxsize=32768)
def _read_once(name: str, stack: str, labels: frozenset[tuple[str, str]], rules: LabelRules) -> Reading:
    """Read labels, or remember them: between two reconciles nearly all are the same."""
    return read_labels(name, dict(labels), rules, stack=stack)


def _without_restrictions(service: SwarmService, reading: Reading, rules: LabelRules) -> ProxyService | None:
    """Read the labels less those that narrow access and are wrong: it tells which routes are to be closed."""
    broken = {problem.label for problem in reading.problems if problem.restricts}
    rest = {label: value for label, value in service.labels.items() if label not in broken}
    return _read(service, rest, rules).service


def hosts_outside(judged: Judged) -> frozenset[str]:
    """Return the host names that must be resolved before the desired state can be built."""
    return frozenset(
        host
        for candidate in judged.candidates
        for destination in candidate.form.destinations
        if (host := outside_host(candidate.swarm, destination)) is not None
    )


def ports_opened(judged: Judged) -> frozenset[int]:
    """Return the ports that services ask the proxy to listen on."""
    return frozenset(
        port
        for candidate in judged.candidates
        for destination in candidate.form.destinations
        if destination.matching.req_mode != "http" and (port := destination.matching.opened_port) is not None
    )


def build_desired(
    judged: Judged,
    settings: ProxySettings,
    surroundings: Surroundings,
    refused_certificates: Mapping[str, str] = MappingProxyType({}),
) -> Desired:
    """Build the desired state of HAProxy and the conditions of every service.

    ``refused_certificates`` are those that HAProxy refused, by fingerprint, with its words.
    """
    build = _Build()
    candidates = sorted(judged.candidates, key=lambda candidate: candidate.seniority)
    for candidate in candidates:
        facts = build.conditions.setdefault(candidate.swarm.name, list(candidate.found))
        facts.insert(0, conditions.resolved_refs())
        facts.insert(0, conditions.programmed())
        for destination in candidate.form.destinations:
            _add_destination(build, candidate, destination, settings, surroundings)
        if candidate.swarm.name not in build.present:
            facts.append(conditions.not_programmed())
    certificates = list_all((candidate.form for candidate in candidates), settings, surroundings, refused_certificates)
    routing = _settle_routes(build)
    passthrough = _settle_passthrough(build, settings, certificates)
    for name, fact in facts_of(certificates):
        build.conditions[name].append(fact)
    return Desired(
        backends=tuple(sorted((*build.backends, *build.groups.values()), key=lambda backend: backend.name)),
        tcp_frontends=tuple(build.frontends[port] for port in sorted(build.frontends)),
        passthrough=passthrough,
        routing=routing,
        redirects={domain: build.redirects[domain][0] for domain in sorted(build.redirects)},
        certificates=certificates,
        forms={candidate.swarm.id: candidate.good for candidate in judged.candidates if candidate.good},
        conditions=_versioned(judged, build),
        deprecations={
            candidate.swarm.name: candidate.deprecations for candidate in judged.candidates if candidate.deprecations
        },
    )


def _add_destination(
    build: _Build,
    candidate: Candidate,
    destination: Destination,
    settings: ProxySettings,
    surroundings: Surroundings,
) -> None:
    facts = build.conditions[candidate.swarm.name]
    access = _access(candidate, destination, settings, surroundings)
    proof = identity_of(candidate.swarm, destination, surroundings)
    facts.extend((*access.conditions, *proof.conditions, *client_facts(destination, settings)))
    facts.extend(_claim_redirects(build, candidate, destination))
    for way in candidate.form.ways(destination):
        name = _backend_name(destination, way)
        claimant = (candidate.form, destination, way, candidate.swarm.created_at)
        if destination.matching.req_mode != "http":
            if candidate.closed and destination.balancing.service_group:
                continue
            conflict = _unusable_port(destination, surroundings)
            if conflict := conflict or _claim_port(build, candidate, destination, name, settings):
                facts.append(conflict)
                continue
            if destination.matching.req_mode == "sni":
                build.name_claims.extend(name_claims_of(*claimant))
        endpoints = endpoints_of(
            candidate.swarm,
            destination,
            way.port,
            surroundings,
            name=candidate.form.published_name,
            by_task=_by_task(destination, settings),
        )
        facts.extend(filter(None, (endpoints.condition,)))
        build.present.add(candidate.swarm.name)
        backend = Backend(
            name=name,
            service=candidate.swarm.name,
            destination=destination,
            servers=endpoints.servers,
            user_list=access.user_list,
            closed=candidate.closed or access.closed or proof.closed,
            identity=proof.identity,
        )
        if backend.mode == "http":
            ready = bool(backend.servers) and not backend.closed
            build.claims.extend(claims_of(*claimant, ready=ready))
        if destination.matching.req_mode == "tcp" and destination.balancing.service_group:
            group = destination.balancing.service_group
            facts.extend(_join_group(build, group, backend, candidate.form.published_name))
        else:
            build.backends.append(backend)


def _claim_redirects(build: _Build, candidate: Candidate, destination: Destination) -> Iterator[Condition]:
    """Claim the domains that are redirected; tell of those that an older service redirects elsewhere."""
    for domain in destination.redirects.redirect_from_domain:
        claim = Claim(
            domain=domain,
            path="/",
            backend="",
            service=candidate.swarm.name,
            acl_name=candidate.form.acl_name,
            index=destination.index,
            created_at=candidate.swarm.created_at,
        )
        wanted = destination.matching.service_domain[0]
        target, owner = build.redirects.setdefault(domain, (wanted, claim))
        if target != wanted:
            yield conditions.route_conflict(route=f"the redirect from {domain}", winner=owner.service)


def _backend_name(destination: Destination, way: Way) -> str:
    group = destination.balancing.service_group
    if destination.matching.req_mode == "tcp" and group:
        return f"tcpListen_{group}_{destination.matching.src_port}"
    return way.backend


def _by_task(destination: Destination, settings: ProxySettings) -> bool:
    in_group = destination.matching.req_mode == "tcp" and destination.balancing.service_group is not None
    return settings.endpoints == "tasks" or destination.balancing.by_task or in_group


def _join_group(build: _Build, group: str, member: Backend, name: str) -> Iterator[Condition]:
    """Put a member's servers into its group's backend, whose options are those of the first member.

    Source: DFP's ``serviceGroup``; servers are named as there, ``<group>-<service><port>_<task>``. Of two services
    that are published under the same ``name`` the second one's servers have its full name.
    """
    owner = build.group_names.setdefault((member.name, name), member.service)
    shown = name if owner == member.service else member.service
    prefix = f"{group}-{shown}{member.destination.target.port}"
    servers = tuple(replace(server, name=server.name.replace(name, prefix, 1)) for server in member.servers)
    leader = build.groups.get(member.name)
    if leader is None:
        build.groups[member.name] = replace(member, servers=servers)
    elif leader.destination.access != member.destination.access:
        yield conditions.group_conflict(group=group, leader=leader.service)
    else:
        others = () if member.service in leader.services else (member.service,)
        known = {server.name for server in leader.servers}
        new = tuple(server for server in servers if server.name not in known)
        joined = replace(leader, servers=(*leader.servers, *new), others=(*leader.others, *others))
        build.groups[member.name] = joined


def _access(
    candidate: Candidate, destination: Destination, settings: ProxySettings, surroundings: Surroundings
) -> UserListResult:
    if destination.matching.req_mode != "http":
        return UserListResult()
    return user_list_of(candidate.form.published_name, destination.authentication, settings, surroundings.secrets)


def _unusable_port(destination: Destination, surroundings: Surroundings) -> Condition | None:
    """Return why HAProxy could not listen on a destination's port; if it tried, it would serve nobody meanwhile."""
    port = destination.matching.opened_port or 0
    why = surroundings.unusable_ports.get(port)
    return None if why is None else conditions.port_unusable(port=port, why=why)


def _claim_port(
    build: _Build, candidate: Candidate, destination: Destination, backend: str, settings: ProxySettings
) -> Condition | None:
    """Claim the port that a destination opens; return the conflict if somebody has it.

    All that pass TLS through share a port, with each other and with HTTPS that the proxy ends.
    """
    by_name = destination.matching.req_mode == "sni"
    port = destination.matching.opened_port or 0
    shareable = {bind.port for bind in settings.binds if by_name and bind.ssl}
    if port in settings.own_ports - shareable:
        return conditions.port_conflict(port=port, winner="the proxy itself")
    user = "names" if by_name else backend
    present, owner = build.ports.setdefault(port, (user, candidate.swarm.name))
    if present != user:
        return conditions.port_conflict(port=port, winner=f"service {owner}")
    if not by_name:
        connection = destination.connection
        build.frontends.setdefault(
            port,
            TcpFrontend(
                port,
                candidate.swarm.name,
                backend,
                timeout_client=connection.timeout_client,
                keep_alive=connection.clitcpka,
            ),
        )
    return None


def _settle_routes(build: _Build) -> RoutingTable:
    routing, conflicts = build_routing(dict.fromkeys(build.claims))
    for conflict in conflicts:
        build.conditions[conflict.loser.service].append(_conflict_fact(conflict))
    return routing


def _settle_passthrough(build: _Build, settings: ProxySettings, certificates: CertificateList) -> PassthroughTable:
    """Settle who has connections passed through, against all HTTP services where the proxy ends TLS itself."""
    speaks_tls = settings.crt_list_path is not None or certificates.default is not None
    shared = frozenset(bind.port for bind in settings.binds if bind.ssl and speaks_tls)
    http = (*build.claims, *(claim for _, claim in build.redirects.values()))
    settled = settle_names(dict.fromkeys(build.name_claims), http, shared)
    for conflict in settled.conflicts:
        build.conditions[conflict.loser.service].append(_name_conflict_fact(conflict))
    for each in settled.passed:
        fact = conditions.passed_through(name=each.name, port=each.port, winner=each.winner)
        build.conditions[each.service].append(fact)
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


def _versioned(judged: Judged, build: _Build) -> dict[str, tuple[Condition, ...]]:
    """Return the last fact of each type for every service, with the version of the service it is about."""
    facts: dict[str, Iterable[Condition]] = {**build.conditions, **judged.refused}
    return {name: conditions.merged((*conditions.pending(), *facts[name])) for name in sorted(facts)}
