"""From a `Snapshot` to `Desired`: reading labels, settling conflicts, finding endpoints and users. Pure.

A service is an island: whatever is wrong with one is written in its conditions and changes no other's backends. One
whose labels became invalid keeps its last valid form, except when the broken label narrows access: then its routes
answer 503 rather than open up.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from types import MappingProxyType

from controller.access import UserListResult, user_list_of
from controller.endpoints import Surroundings, endpoints_of, outside_host
from controller.tls import client_facts, facts_of, identity_of, list_all
from models import conditions
from models.conditions import Condition
from models.proxy import Backend, Desired, TcpFrontend
from models.reading import LabelRules, Reading, read_labels
from models.routing import ANY_DOMAIN, Claim, Conflict, RoutingTable, build_routing
from models.service import Destination, ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService


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
    frontends: dict[int, TcpFrontend] = field(default_factory=dict)
    claims: list[Claim] = field(default_factory=list)
    conditions: dict[str, list[Condition]] = field(default_factory=dict)


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
    for service in snapshot.services:
        candidate = _candidate(service, settings.label_rules, forms.get(service.id))
        if service.name in rejected and isinstance(candidate, Candidate):
            candidate = (*candidate.found, conditions.config_rejected(rejected[service.name]))
        if isinstance(candidate, Candidate):
            candidates.append(candidate)
        else:
            refused[service.name] = candidate
    return _settle_names(candidates, refused)


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
    reading = _read(service.name, frozenset(service.labels.items()), rules)
    if reading.service is not None:
        return Candidate(service, reading.service, reading.service, found=(conditions.accepted(),))
    invalid = conditions.invalid_labels(
        (problem.text for problem in reading.problems), unknown_only=reading.unknown_only
    )
    if last is None and service.previous_labels is not None:
        last = _read(service.name, frozenset(service.previous_labels.items()), rules).service
    if reading.restricts:
        form = _without_restrictions(service, reading, rules) or last
        if form is not None:
            return Candidate(service, form, last, closed=True, found=(invalid, conditions.failed_closed()))
    if last is None or reading.restricts:
        return (invalid, conditions.not_programmed())
    return Candidate(service, last, last, found=(invalid, conditions.last_good_kept()))


@lru_cache(maxsize=32768)
def _read(name: str, labels: frozenset[tuple[str, str]], rules: LabelRules) -> Reading:
    """Read labels, or remember them: between two reconciles nearly all are the same."""
    return read_labels(name, dict(labels), rules)


def _without_restrictions(service: SwarmService, reading: Reading, rules: LabelRules) -> ProxyService | None:
    """Read the labels less those that narrow access and are wrong: it tells which routes are to be closed."""
    broken = {problem.label for problem in reading.problems if problem.restricts}
    rest = {label: value for label, value in service.labels.items() if label not in broken}
    return _read(service.name, frozenset(rest.items()), rules).service


def hosts_outside(judged: Judged) -> frozenset[str]:
    """Return the host names that must be resolved before the desired state can be built."""
    return frozenset(
        host
        for candidate in judged.candidates
        for destination in candidate.form.destinations
        if (host := outside_host(candidate.swarm, destination)) is not None
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
        before = len(build.backends)
        for destination in candidate.form.destinations:
            _add_destination(build, candidate, destination, settings, surroundings)
        if len(build.backends) == before:
            facts.append(conditions.not_programmed())
    routing = _settle_routes(build)
    certificates = list_all((candidate.form for candidate in candidates), settings, surroundings, refused_certificates)
    for name, fact in facts_of(certificates):
        build.conditions[name].append(fact)
    return Desired(
        backends=tuple(sorted(build.backends, key=lambda backend: backend.name)),
        tcp_frontends=tuple(build.frontends[port] for port in sorted(build.frontends)),
        routing=routing,
        certificates=certificates,
        forms={candidate.swarm.id: candidate.good for candidate in judged.candidates if candidate.good},
        conditions=_versioned(judged, build),
    )


def _add_destination(
    build: _Build,
    candidate: Candidate,
    destination: Destination,
    settings: ProxySettings,
    surroundings: Surroundings,
) -> None:
    facts = build.conditions[candidate.swarm.name]
    name = candidate.form.backend_name(destination)
    if destination.matching.req_mode == "tcp":
        conflict = _claim_port(build, candidate, destination, settings)
        if conflict:
            facts.append(conflict)
            return
    else:
        build.claims.extend(_claims(candidate, destination, name))
    endpoints = endpoints_of(candidate.swarm, destination, surroundings, by_task=settings.endpoints == "tasks")
    access = _access(candidate, destination, settings, surroundings)
    proof = identity_of(candidate.swarm, destination, surroundings)
    facts.extend(filter(None, (endpoints.condition, *access.conditions, *proof.conditions)))
    facts.extend(client_facts(destination, settings))
    build.backends.append(
        Backend(
            name=name,
            service=candidate.swarm.name,
            destination=destination,
            servers=endpoints.servers,
            user_list=access.user_list,
            closed=candidate.closed or access.closed or proof.closed,
            identity=proof.identity,
        )
    )


def _access(
    candidate: Candidate, destination: Destination, settings: ProxySettings, surroundings: Surroundings
) -> UserListResult:
    if destination.matching.req_mode == "tcp":
        return UserListResult()
    return user_list_of(candidate.swarm.name, destination.authentication, settings, surroundings.secrets)


def _claim_port(
    build: _Build, candidate: Candidate, destination: Destination, settings: ProxySettings
) -> Condition | None:
    """Claim the TCP port of a destination; return the conflict if somebody has it."""
    port = destination.matching.src_port or 0
    if port in {settings.port, *(bind.port for bind in settings.binds)}:
        return conditions.port_conflict(port=port, winner="the proxy itself")
    frontend = TcpFrontend(port, candidate.swarm.name, candidate.form.backend_name(destination))
    owner = build.frontends.setdefault(port, frontend)
    return None if owner is frontend else conditions.port_conflict(port=port, winner=f"service {owner.service}")


def _claims(candidate: Candidate, destination: Destination, backend: str) -> Iterator[Claim]:
    for domain in destination.matching.service_domain or (ANY_DOMAIN,):
        for path in destination.matching.service_path:
            yield Claim(
                domain=domain,
                path=path,
                backend=backend,
                service=candidate.swarm.name,
                acl_name=candidate.form.acl_name,
                index=destination.index,
                created_at=candidate.swarm.created_at,
            )


def _settle_routes(build: _Build) -> RoutingTable:
    routing, conflicts = build_routing(dict.fromkeys(build.claims))
    for conflict in conflicts:
        build.conditions[conflict.loser.service].append(_conflict_fact(conflict))
    return routing


def _conflict_fact(conflict: Conflict) -> Condition:
    route, winner = conflict.loser.route, conflict.winner
    if winner.service == conflict.loser.service:
        return conditions.route_repeated(route=route, index=winner.index)
    return conditions.route_conflict(route=route, winner=winner.service)


def _versioned(judged: Judged, build: _Build) -> dict[str, tuple[Condition, ...]]:
    """Return the last fact of each type for every service, with the version of the service it is about."""
    facts: dict[str, Iterable[Condition]] = {**build.conditions, **judged.refused}
    return {name: conditions.merged((*conditions.pending(), *facts[name])) for name in sorted(facts)}
