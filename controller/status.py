"""Status: the last known conditions of every service, what changed, and the view that is shown to everybody.

Conditions are logged once, when they change. Nothing secret is in here.
"""

import asyncio
import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any, NamedTuple

import structlog
from pydantic import TypeAdapter

from controller.changes import Applied
from models.certificates import Certificate, CertificateList
from models.conditions import Condition, ConditionType, Reason
from models.notices import Notice, NoticeReason
from models.proxy import Backend, Desired
from models.tables import Gathered, Table, changed_keys

log = structlog.get_logger()

_CONDITION = TypeAdapter(Condition)
_Kind = tuple[str, str, str]
"""The type, status and reason of a condition."""
_MOST_TOLD = 100
"""Services that are told one by one when all of them are new: of more, a start tells the number."""
_EVENTS = {
    NoticeReason.DEPRECATED_LABEL: "Service has a deprecated label",
    NoticeReason.LABEL_WITHOUT_EFFECT: "Service has a label without effect",
    NoticeReason.CONTESTED: "Another service claims what a service has",
    NoticeReason.ROUTE_NOT_SHARED: "Services of a traffic group do not share a route",
}


@dataclass(frozen=True, slots=True)
class Footprint:
    """What one service has in HAProxy: its backends (or TCP ports) and its routes."""

    backends: tuple[str, ...] = ()
    routes: tuple[str, ...] = ()


class FootprintChange(NamedTuple):
    """What one service had in HAProxy and what it has now; None for nothing at all."""

    observed: Footprint | None
    desired: Footprint | None

    @property
    def verb(self) -> str:
        """What became of the service: ``added``, ``changed`` or ``removed``."""
        return "added" if self.observed is None else "removed" if self.desired is None else "changed"


@dataclass(frozen=True, slots=True)
class News:
    """What is new of services, by name: their footprints, and those of their conditions that say something else.

    Services are new with their first conditions if one of these is false.
    """

    footprints: Mapping[str, FootprintChange] = field(default_factory=dict)
    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.footprints or self.conditions)


@dataclass(slots=True)
class StatusStore:
    """Keeps conditions with the time of their last transition, and tells the log what changed.

    ``now`` gives the current time; it is passed in so that tests own the clock.
    """

    now: Callable[[], datetime]
    conditions: Table[str, tuple[Condition, ...]] = field(default_factory=Table)
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)
    footprints: Table[str, Footprint] = field(default_factory=Table)
    desired: Desired = field(default_factory=Desired)
    _problems: Mapping[str, str] = field(default_factory=dict)
    _judged: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    _versions: Mapping[str, int] = field(default_factory=dict)
    _backends: Gathered[str, tuple[str, ...], str, str] = field(default_factory=lambda: Gathered(_by_service, _sorted))
    _by_kinds: Counter[tuple[_Kind, ...]] = field(default_factory=Counter)
    _digest: int = 0
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    def publish(
        self, desired: Desired, applied: Applied, versions: Mapping[str, int], failure: Condition | None = None
    ) -> News:
        """Take over a new state: log what changed, and return it; remember the rest.

        ``versions`` are the Swarm version indices by service name; ``failure``, if given, stands in for
        ``Programmed`` of all that would be programmed, and HAProxy is taken to run what it ran before.
        """
        if desired is self.desired and failure is None and self._judged:
            return News()
        transitions = self._take_conditions(desired.conditions, versions, failure)
        footprints: Mapping[str, FootprintChange] = {}
        self._log_notices(desired.notices)
        self.notices = desired.notices
        if failure is None:
            footprints = self._take_footprints(desired, applied)
            self._log_certificates(desired.certificates)
            self.desired = desired
        self.changed.set()
        self.changed = asyncio.Event()
        return News(footprints, transitions)

    def _take_conditions(
        self, judged: Mapping[str, tuple[Condition, ...]], versions: Mapping[str, int], failure: Condition | None
    ) -> Mapping[str, tuple[Condition, ...]]:
        """Date and log the conditions of the services about which something new was found out; return what is told."""
        changed = self._changed(judged, versions) if failure is None else {*judged, *self.conditions}
        now = self.now()
        news = {
            name: self._with_times(name, judged.get(name, ()), versions.get(name, 0), failure, now)
            for name in sorted(changed)
        }
        told = {name: transitions for name, facts in news.items() if (transitions := self._transitions(name, facts))}
        self._log_transitions(told)
        for name, facts in news.items():
            self._recount(name, facts)
        self.conditions = self.conditions.revised({name: facts or None for name, facts in news.items()})
        self._judged = {} if failure else judged
        self._versions = versions
        return told

    def _changed(self, judged: Mapping[str, tuple[Condition, ...]], versions: Mapping[str, int]) -> AbstractSet[str]:
        """Return the services about which something else is said than before, or of another version of theirs."""
        if not self._judged:
            return {*judged, *self.conditions}
        return changed_keys(self._judged, judged) | (changed_keys(self._versions, versions) & judged.keys())

    def _recount(self, name: str, facts: tuple[Condition, ...]) -> None:
        """Count the conditions of a service in place of those that it had."""
        for told, more in ((self.conditions.get(name, ()), -1), (facts, 1)):
            if told:
                kinds = tuple(map(_kind, told))
                self._by_kinds[kinds] += more
                self._digest ^= _digest(name, kinds)

    @property
    def digest(self) -> str:
        """A digest of who has which conditions: equal where they are equal, on every machine."""
        return f"{self._digest:016x}"

    async def settled(self, name: str, version: int | None, *, limit: float) -> bool:
        """Wait until this version of a service has been judged (None: until there is no such service).

        Returns:
            False if that did not happen within ``limit`` seconds.
        """
        return await self.until(lambda: self._version(name) == version, limit=limit)

    async def until(self, holds: Callable[[], bool], *, limit: float) -> bool:
        """Wait until something is true after a reconcile; False if it is not within ``limit`` seconds."""
        try:
            async with asyncio.timeout(limit):
                while not holds():
                    await self.changed.wait()
        except TimeoutError:
            return False
        return True

    def _version(self, name: str) -> int | None:
        facts = self.conditions.get(name)
        return facts[0].observed_version if facts else None

    def _with_times(
        self, name: str, facts: tuple[Condition, ...], version: int, failure: Condition | None, now: datetime
    ) -> tuple[Condition, ...]:
        known = {condition.type: condition for condition in self.conditions.get(name, ())}
        dated = []
        for fact in facts:
            condition = failure if failure and fact.type == failure.type and fact.status == "True" else fact
            last = known.get(condition.type)
            since = last.last_transition if last and last.status == condition.status else now
            one = condition.seen(version, since)
            dated.append(last if last == one else one)
        return tuple(dated)

    def _transitions(self, name: str, facts: tuple[Condition, ...]) -> tuple[Condition, ...]:
        """Return the conditions that say something else than before; of a new service, those that are false."""
        known = {condition.type: condition for condition in self.conditions.get(name, ())}
        return tuple(fact for fact in facts if _is_news(known.get(fact.type), fact))

    def _log_transitions(self, told: Mapping[str, tuple[Condition, ...]]) -> None:
        for name, facts in told.items():
            for fact in facts:
                write = log.warning if fact.status == "False" else log.info
                write(
                    "Service condition changed",
                    service=name,
                    condition=fact.type.value,
                    status=fact.status,
                    reason=fact.reason.value,
                    message=fact.message,
                )

    def _log_notices(self, notices: Mapping[str, tuple[Notice, ...]]) -> None:
        for name in sorted(changed_keys(self.notices, notices)):
            for notice in notices.get(name, ()):
                if notice not in self.notices.get(name, ()):
                    log.warning(_EVENTS[notice.reason], service=name, message=notice.message)

    def _take_footprints(self, desired: Desired, applied: Applied) -> Mapping[str, FootprintChange]:
        """Log and return what services have in HAProxy that is something else than before."""
        suspects = _touched(self.desired, desired)
        backends = self._backends(desired.backends_by_name)
        ports = {frontend.backend: f"tcp:{frontend.port}" for frontend in desired.tcp_frontends}
        news = {name: _footprint(desired, backends[name], ports) for name in suspects if name in backends}
        looked_at = {name: FootprintChange(self.footprints.get(name), news.get(name)) for name in sorted(suspects)}
        changed = {name: change for name, change in looked_at.items() if change.observed != change.desired}
        if not self.footprints and len(news) > _MOST_TOLD:
            log.info("Services added", count=len(news), haproxy_updated_by=applied.outcome.value)
        else:
            _log_footprints(changed, applied)
        self.footprints = self.footprints.revised({name: change.desired for name, change in changed.items()})
        return changed

    def _log_certificates(self, certificates: CertificateList) -> None:
        """Tell what is wrong with certificates, once, and what is right again."""
        problems = certificate_problems(certificates)
        for name, problem in sorted(problems.items() - self._problems.items()):
            log.warning("Certificate has a problem", certificate=name, problem=problem)
        for name in sorted(self._problems.keys() - problems.keys()):
            log.info("Certificate has no problem any more, or is gone", certificate=name)
        self._problems = problems

    def certificates(self) -> dict[str, Certificate]:
        """Return the certificates that can be used, by what they are called; they hold their keys."""
        certificates = self.desired.certificates
        known = {each.certificate.id: each.certificate for each in certificates.listed}
        known |= {each.certificate.id: each.certificate for each in certificates.shadowed}
        return known | ({certificates.default.id: certificates.default} if certificates.default else {})

    def certificates_view(self) -> list[dict[str, Any]]:
        """Return every certificate and what is wrong with it, fit for JSON; nothing of it is secret."""
        certificates = self.desired.certificates
        problems = certificate_problems(certificates)
        known = self.certificates()
        rejected = [
            {"certificate": each.id, "source": each.source.value, "problem": problems[each.id]}
            for each in certificates.rejected
            if each.id not in known
        ]
        return [*(self._certificate_view(each, problems) for each in known.values()), *rejected]

    def _certificate_view(self, certificate: Certificate, problems: Mapping[str, str]) -> dict[str, Any]:
        return {
            "certificate": certificate.id,
            "source": certificate.source.value,
            "names": list(certificate.names),
            "key": certificate.key_kind,
            "not_after": certificate.not_after.isoformat(),
            "days_left": (certificate.not_after - self.now()).days,
            "default": certificate == self.desired.certificates.default,
            "problem": problems.get(certificate.id),
        }

    def count_by_condition(self) -> Counter[_Kind]:
        """Count the services by condition type, status and reason."""
        counts: Counter[_Kind] = Counter()
        for kinds, services in self._by_kinds.items():
            for kind in kinds:
                counts[kind] += services
        return +counts

    def count(self, reason: Reason) -> int:
        """Return how many services have a condition with this reason."""
        return sum(number for (_, _, name), number in self.count_by_condition().items() if name == reason.value)

    def services_view(self) -> list[dict[str, Any]]:
        """Return every service with its conditions, backends and routes, fit for JSON."""
        servers = self._servers()
        return [self._view(name, servers.get(name, {})) for name in self.conditions]

    def service_view(self, name: str) -> dict[str, Any] | None:
        """Return one service likewise; None if there is no such service."""
        return self._view(name, self._servers().get(name, {})) if name in self.conditions else None

    def _servers(self) -> dict[str, dict[str, list[str]]]:
        """Return the servers of each backend, by service."""
        servers: dict[str, dict[str, list[str]]] = {}
        for backend in self.desired.backends:
            lines = [f"{server.name} {server.address}:{server.port}" for server in backend.servers]
            for service in backend.services:
                servers.setdefault(service, {})[backend.name] = lines
        return servers

    def _view(self, name: str, servers: dict[str, list[str]]) -> dict[str, Any]:
        notices = self.notices.get(name, ())
        return {
            "name": name,
            "conditions": [_CONDITION.dump_python(fact, mode="json") for fact in self.conditions[name]],
            "routes": list(self.footprints.get(name, Footprint()).routes),
            "backends": servers,
            "deprecated": [each.message for each in notices if each.reason is NoticeReason.DEPRECATED_LABEL],
            "notices": [{"reason": each.reason.value, "message": each.message} for each in notices],
        }


def _is_news(known: Condition | None, fact: Condition) -> bool:
    """Return whether a condition says something else than the known one, or is the first of its type and false."""
    if known is None:
        return fact.status == "False"
    return (known.status, known.reason, known.message) != (fact.status, fact.reason, fact.message)


_TOLD_OF = {"added": "Service added", "changed": "Service changed", "removed": "Service removed"}


def _log_footprints(changes: Mapping[str, FootprintChange], applied: Applied) -> None:
    for name, change in changes.items():
        shown = change.desired or change.observed or Footprint()
        log.info(
            _TOLD_OF[change.verb],
            service=name,
            backends=list(shown.backends),
            routes=list(shown.routes),
            haproxy_updated_by=applied.outcome.value,
        )


def _digest(name: str, kinds: tuple[_Kind, ...]) -> int:
    text = f"({name!r}, {_told(kinds)})"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@lru_cache(maxsize=256)
def _told(kinds: tuple[_Kind, ...]) -> str:
    """Return the kinds of a service's conditions as text: most have the same."""
    return repr(sorted(kinds))


def _kind(fact: Condition) -> _Kind:
    return _kind_of(fact.type, fact.status, fact.reason)


@cache
def _kind_of(type_: ConditionType, status: str, reason: Reason) -> _Kind:
    return (type_.value, status, reason.value)


def certificate_problems(certificates: CertificateList) -> dict[str, str]:
    """Return what is wrong with certificates, by what they are called."""
    problems: dict[str, str] = {}
    for shadowed in certificates.shadowed:
        words = f"{shadowed.winner.id} goes before it for {', '.join(shadowed.names)}"
        known = problems.get(shadowed.certificate.id)
        problems[shadowed.certificate.id] = f"{known}; {words}" if known else words
    problems |= {each.certificate.id: each.problem for each in certificates.listed if each.problem}
    return problems | {each.id: each.problem for each in certificates.rejected}


def _touched(before: Desired, after: Desired) -> frozenset[str]:
    """Return the services some of whose backends or routes are others than before."""
    backends, routes, names = (
        (before.backends_by_name, after.backends_by_name),
        (before.routing.routes, after.routing.routes),
        (before.passthrough.routes, after.passthrough.routes),
    )
    changed = changed_keys(*backends) | changed_keys(*routes) | changed_keys(*names)
    found = {service for name in changed for each in backends if name in each for service in each[name].services}
    if before.tcp_frontends != after.tcp_frontends:
        found.update(frontend.service for frontend in (*before.tcp_frontends, *after.tcp_frontends))
    return frozenset(found)


def _by_service(backend: Backend) -> Mapping[str, str]:
    return dict.fromkeys(backend.services, backend.name)


def _sorted(names: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(names))


def _footprint(desired: Desired, backends: tuple[str, ...], ports: Mapping[str, str]) -> Footprint:
    """Return what a service has in HAProxy under a desired state, given its backends and the words for their ports."""
    words = [ports[name] for name in backends if name in ports]
    for name in backends:
        words += (*desired.routing.routes.get(name, ()), *desired.passthrough.routes.get(name, ()))
    return Footprint(backends, tuple(sorted(words)))
