"""Which form of every service is to be run: reading labels, going back to the last good ones, settling names. Pure.

One whose labels became invalid keeps its last valid form, except when the broken label narrows access: then its routes
answer 503 rather than open up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial
from itertools import compress, count
from operator import is_not
from typing import NamedTuple

from controller.endpoints import outside_host
from models import conditions
from models.conditions import Condition
from models.reading import PREFIX, LabelRules, Reading, read_labels
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
from models.tables import Derived, Gathered, Latest, Table
from models.types import is_name


@dataclass(frozen=True)
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

    @cached_property
    def seniority(self) -> tuple[object, ...]:
        """Sorts services that compete for the same thing: the first wins."""
        return (self.swarm.created_at, self.form.acl_name, self.swarm.name)

    @cached_property
    def hosts(self) -> frozenset[str]:
        """The host names that must be resolved before its servers are known."""
        hosts = (outside_host(self.swarm, destination) for destination in self.form.destinations)
        return frozenset(host for host in hosts if host is not None)

    @cached_property
    def ports(self) -> frozenset[int]:
        """The ports that it asks the proxy to listen on."""
        ports = (destination.matching.opened_port for destination in self.form.destinations)
        return frozenset(port for port in ports if port is not None)


@dataclass(frozen=True, slots=True)
class Judged:
    """The services that have a form to run, and the conditions of those that have none, both by name.

    ``asking`` are the services whose hosts or ports have to be looked at; ``versions`` the Swarm version index of all.
    """

    by_name: Table[str, Candidate]
    refused: Table[str, tuple[Condition, ...]]
    asking: Table[str, Candidate]
    versions: Table[str, int]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The services that have a form to run, by name."""
        return tuple(self.by_name.values())

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that must be resolved before the desired state can be built."""
        return frozenset().union(*(candidate.hosts for candidate in self.asking.values()))

    @property
    def ports(self) -> frozenset[int]:
        """The ports that services ask the proxy to listen on."""
        return frozenset().union(*(candidate.ports for candidate in self.asking.values()))


_Found = Candidate | tuple[Condition, ...]


class Judge:
    """Judges worlds one after the other; a service that is the same as in the last one is not judged again."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._rules = settings.label_rules
        self._world = Snapshot()
        self._services: Table[str, SwarmService] = Table()
        self._forms: Mapping[str, ProxyService] = {}
        self._last_forms: dict[str, tuple[str, ProxyService | None]] = {}
        self._found: Derived[str, _Found] = Derived(self._judged)
        self._claimants = Gathered(_names_used, _oldest_first)
        self._conflicts = Gathered(_losers, _first_conflict)
        self._running: Derived[str, Candidate] = Derived(_running)
        self._refused: Derived[str, tuple[Condition, ...]] = Derived(_refused)
        self._asking: Derived[str, Candidate] = Derived(lambda each: each if each.hosts or each.ports else None)
        self._versions: Derived[str, int] = Derived(lambda service: service.version)
        self._result = Latest(Judged)

    def __call__(self, snapshot: Snapshot, *, forms: Mapping[str, ProxyService], rejected: Mapping[str, str]) -> Judged:
        """Decide for every service which form of it is to be run.

        Args:
            snapshot: the world.
            forms: the valid forms in force until now, by service id.
            rejected: services whose configuration HAProxy refused, with its words, by service name.
        """
        self._services = self._services.revised(_differing(self._world.services, snapshot.services))
        self._world = snapshot
        self._forms = forms
        found = self._found(self._services, dict(rejected), again=self._with_other_forms())
        conflicts = self._conflicts(self._claimants(found))
        running = self._running(found, conflicts)
        refused = self._refused(found, conflicts)
        judged: Judged = self._result(running, refused, self._asking(running), self._versions(self._services))
        return judged

    def _with_other_forms(self) -> list[str]:
        """Return the services that depend on their last form, if that is another one now."""
        self._last_forms = {name: each for name, each in self._last_forms.items() if name in self._services}
        return [name for name, (id_, form) in self._last_forms.items() if self._forms.get(id_) is not form]

    def _judged(self, service: SwarmService | None, rejected: str | None) -> _Found | None:
        """Judge a service by itself; None if it is none of ours."""
        if service is None or not self._is_ours(service):
            return None
        candidate = self._candidate(service)
        if isinstance(candidate, Candidate) and rejected is not None:
            candidate = (*candidate.found, conditions.config_rejected(rejected))
        if isinstance(candidate, Candidate) and candidate.form.identity.replicas == 0:
            candidate = (*candidate.found, conditions.switched_off())
        return candidate

    def _is_ours(self, service: SwarmService) -> bool:
        """Return whether a service is for this proxy instance; one that is for another is none of our business."""
        if not self._settings.filter_proxy_instance_name:
            return True
        asked = service.labels.get(f"{PREFIX}proxyInstanceName", "")
        return asked.lower() == self._settings.proxy_instance_name.lower()

    def _candidate(self, service: SwarmService) -> _Found:
        return _good_candidate(service, self._rules) or _without_good_labels(
            service, self._rules, self._last_form(service)
        )

    def _last_form(self, service: SwarmService) -> ProxyService | None:
        """Return the form in force until now, and remember who depends on it."""
        form = self._forms.get(service.id)
        self._last_forms[service.name] = (service.id, form)
        return form


def _differing(before: tuple[SwarmService, ...], after: tuple[SwarmService, ...]) -> Mapping[str, SwarmService | None]:
    """Return the services that are other objects than before, by name; None for those that are gone."""
    begin = _same_objects(before, after)
    old, new = before[begin:], after[begin:]
    end = _same_objects(old[::-1], new[::-1])
    old, new = old[: len(old) - end], new[: len(new) - end]
    known, still = set(map(id, old)), set(map(id, new))
    gone: dict[str, SwarmService | None] = {service.name: None for service in old if id(service) not in still}
    return gone | {service.name: service for service in new if id(service) not in known}


def _same_objects(one: tuple[object, ...], other: tuple[object, ...]) -> int:
    """Return how many objects two tuples have in common at their beginning."""
    return next(compress(count(), map(is_not, one, other)), min(len(one), len(other)))


def judge(
    snapshot: Snapshot, settings: ProxySettings, *, forms: Mapping[str, ProxyService], rejected: Mapping[str, str]
) -> Judged:
    """Judge one world; see `Judge`."""
    return Judge(settings)(snapshot, forms=forms, rejected=rejected)


class _Use(NamedTuple):
    """A service's wish to name backends so."""

    name: str
    candidate: Candidate


def _names_used(found: _Found) -> Mapping[str, _Use]:
    """Return what the names of a service's backends begin with, ``aclName`` in the first place."""
    if not isinstance(found, Candidate):
        return {}
    ways = (way for destination in found.form.destinations for way in found.form.ways(destination))
    names = {found.form.acl_name, *(way.backend.rpartition("-be")[0] for way in ways)}
    return {name: _Use(name, found) for name in names}


def _oldest_first(uses: Mapping[str, _Use]) -> tuple[_Use, ...]:
    if len(uses) == 1:  # as it nearly always is
        return tuple(uses.values())
    return tuple(sorted(uses.values(), key=lambda use: use.candidate.seniority))


def _losers(uses: tuple[_Use, ...]) -> Mapping[str, Condition]:
    """Give a name to the oldest service that uses it; the others are told, by service."""
    owner, *others = uses
    return {
        loser.candidate.swarm.name: conditions.name_conflict(name=loser.name, winner=owner.candidate.swarm.name)
        for loser in others
    }


def _first_conflict(conflicts: Mapping[str, Condition]) -> Condition:
    return conflicts[min(conflicts)]


def _running(found: _Found | None, conflict: Condition | None) -> Candidate | None:
    return found if isinstance(found, Candidate) and conflict is None else None


def _refused(found: _Found | None, conflict: Condition | None) -> tuple[Condition, ...] | None:
    if not isinstance(found, Candidate):
        return found
    return None if conflict is None else (*found.found, conflict, conditions.not_programmed())


def _good_candidate(service: SwarmService, rules: LabelRules) -> Candidate | None:
    """Return the candidate of a service whose name and labels are valid; None if they are not."""
    if not is_name(service.name):
        return None
    reading = _read(service, service.labels, rules)
    if reading.service is None:
        return None
    return Candidate(
        service, reading.service, reading.service, found=(conditions.accepted(),), deprecations=reading.deprecations
    )


def _without_good_labels(
    service: SwarmService, rules: LabelRules, last: ProxyService | None
) -> Candidate | tuple[Condition, ...]:
    if not is_name(service.name):
        return (conditions.invalid_name(service.name), conditions.not_programmed())
    reading = _read(service, service.labels, rules)
    candidate = partial(Candidate, service, deprecations=reading.deprecations)
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
    """Read labels, or remember them: services change more often than their labels do."""
    return read_labels(name, dict(labels), rules, stack=stack)


def _without_restrictions(service: SwarmService, reading: Reading, rules: LabelRules) -> ProxyService | None:
    """Read the labels less those that narrow access and are wrong: it tells which routes are to be closed."""
    broken = {problem.label for problem in reading.problems if problem.restricts}
    rest = {label: value for label, value in service.labels.items() if label not in broken}
    return _read(service, rest, rules).service
