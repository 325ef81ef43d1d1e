"""What one service contributes to the desired state, as if it were alone: backends, claims, and facts. Pure.

A piece depends on its service and on what is around the proxy, never on other services: so it stays the same object as
long as these do.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from controller.access import UserListResult, user_list_of
from controller.endpoints import Surroundings, endpoints_of
from controller.judging import Candidate
from controller.templates import Filled, fill, refill
from controller.tls import client_facts, identity_of, name_facts
from models import conditions
from models.claims import claims_of, name_claims_of
from models.conditions import Condition
from models.passthrough import NameClaim
from models.proxy import Backend, TcpFrontend, TemplateTexts
from models.routing import Claim
from models.service import Destination
from models.settings import ProxySettings


@dataclass(frozen=True, slots=True)
class PortClaim:
    """A wish for a port of its own, or (``frontend`` is None) to share one with others by the names of clients.

    ``conflict`` says why nobody can have it, if so.
    """

    port: int
    user: str
    frontend: TcpFrontend | None = None
    conflict: Condition | None = None


@dataclass(frozen=True, slots=True)
class Part:
    """One way into a service: a backend with what leads to it.

    ``destination_facts`` are about the destination, ``facts`` about the backend, if it comes to be. With a ``group``,
    its servers go to the group's backend.
    """

    backend: Backend
    claims: tuple[Claim, ...] = ()
    name_claims: tuple[NameClaim, ...] = ()
    port: PortClaim | None = None
    group: str | None = None
    destination_facts: tuple[Condition, ...] = ()
    facts: tuple[Condition, ...] = ()


@dataclass(frozen=True, slots=True)
class Piece:
    """Everything that one service contributes; ``redirects`` are claims of domains, each with where it leads to."""

    candidate: Candidate
    parts: tuple[Part, ...]
    redirects: tuple[tuple[str, Claim], ...]
    filled: Filled

    @property
    def first_facts(self) -> tuple[Condition, ...]:
        """What is true of the service before anything is known of its parts."""
        fine = (*conditions.pending(), conditions.programmed(), conditions.resolved_refs())
        return (*fine, *self.candidate.found, *self.filled.conditions, *name_facts(self.candidate.form))

    @property
    def competes(self) -> bool:
        """Whether it wants something that only one service can have, other than routes and names."""
        return bool(self.redirects) or any(part.port for part in self.parts)

    @property
    def claims(self) -> tuple[Claim, ...]:
        """Its claims of routes, each once."""
        return tuple(dict.fromkeys(claim for part in self.parts for claim in part.claims))

    @property
    def backends(self) -> tuple[Backend, ...]:
        """Its backends, if nobody else wants what they need."""
        return tuple(part.backend for part in self.parts)

    @property
    def conditions(self) -> tuple[Condition, ...]:
        """Its conditions, if there is nothing to be said about it and others."""
        facts = (fact for part in self.parts for fact in (*part.destination_facts, *part.facts))
        return conditions.merged((*self.first_facts, *facts))


def piece_of(
    candidate: Candidate, surroundings: Surroundings, texts: TemplateTexts | None, settings: ProxySettings
) -> Piece:
    """Work out what a service contributes; ``texts`` are those of its templates that were in force until now."""
    files = surroundings.templates
    filled = refill(candidate.form, texts, files) if candidate.keeps_templates else fill(candidate.form, files, texts)
    parts = (
        part
        for destination in candidate.form.destinations
        for part in _parts(candidate, destination, filled, surroundings, settings)
    )
    return Piece(candidate, tuple(parts), tuple(_redirects(candidate)), filled)


def _parts(
    candidate: Candidate,
    destination: Destination,
    filled: Filled,
    surroundings: Surroundings,
    settings: ProxySettings,
) -> Iterator[Part]:
    access = _access(candidate, destination, settings, surroundings)
    proof = identity_of(candidate.swarm, destination, surroundings)
    facts = (*access.conditions, *proof.conditions, *client_facts(destination, settings))
    for way in candidate.form.ways(destination):
        endpoints = endpoints_of(
            candidate.swarm,
            destination,
            way.port,
            surroundings,
            name=candidate.form.published_name,
            by_task=_by_task(destination, settings),
        )
        group = _group(destination)
        backend = Backend(
            name=f"tcpListen_{group}_{destination.matching.src_port}" if group else way.backend,
            service=candidate.swarm.name,
            destination=destination,
            servers=endpoints.servers,
            user_list=access.user_list,
            closed=candidate.closed or access.closed or proof.closed or filled.closed,
            identity=proof.identity,
            template=filled.lines.get(destination.index, ()),
        )
        ready = bool(backend.servers) and not backend.closed
        claimant = (candidate.form, destination, way, candidate.swarm.created_at)
        mode = destination.matching.req_mode
        is_routed = mode == "http" and not destination.custom.template_fe_path
        yield Part(
            backend=backend,
            claims=tuple(claims_of(*claimant, ready=ready, normal=settings.normalize_paths)) if is_routed else (),
            name_claims=tuple(name_claims_of(*claimant)) if mode == "sni" else (),
            port=_port(candidate, destination, backend.name, surroundings, settings),
            group=group,
            destination_facts=facts,
            facts=(endpoints.condition,) if endpoints.condition else (),
        )
        facts = ()


def _group(destination: Destination) -> str | None:
    """Return the group whose backend the servers go to."""
    return destination.balancing.service_group if destination.matching.req_mode == "tcp" else None


def _by_task(destination: Destination, settings: ProxySettings) -> bool:
    return settings.endpoints == "tasks" or destination.balancing.by_task or _group(destination) is not None


def _access(
    candidate: Candidate, destination: Destination, settings: ProxySettings, surroundings: Surroundings
) -> UserListResult:
    if destination.matching.req_mode != "http":
        return UserListResult()
    return user_list_of(candidate.form.published_name, destination.authentication, settings, surroundings.secrets)


def _port(
    candidate: Candidate, destination: Destination, backend: str, surroundings: Surroundings, settings: ProxySettings
) -> PortClaim | None:
    """Return the claim of the port that a destination opens, if it opens one.

    All that pass TLS through share a port, with each other and with HTTPS that the proxy ends.
    """
    port = destination.matching.opened_port
    if port is None:
        return None
    by_name = destination.matching.req_mode == "sni"
    own = settings.own_ports - {bind.port for bind in settings.binds if by_name and bind.ssl}
    conflict = conditions.port_conflict(port=port, winner="the proxy itself") if port in own else None
    if why := surroundings.unusable_ports.get(port):  # if HAProxy tried to listen, it would serve nobody meanwhile
        conflict = conditions.port_unusable(port=port, why=why)
    if by_name:
        return PortClaim(port, "names", conflict=conflict)
    connection = destination.connection
    frontend = TcpFrontend(
        port,
        candidate.swarm.name,
        backend,
        timeout_client=connection.timeout_client,
        keep_alive=connection.clitcpka,
    )
    return PortClaim(port, backend, frontend, conflict)


def _redirects(candidate: Candidate) -> Iterator[tuple[str, Claim]]:
    for destination in candidate.form.destinations:
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
            yield destination.matching.service_domain[0], claim
