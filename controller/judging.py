"""Which form of every service is to be run: reading labels, going back to the last good ones, settling names. Pure.

One whose labels became invalid keeps its last valid form, except when the broken label narrows access: then its routes
answer 503 rather than open up.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

from controller.endpoints import outside_host
from models import conditions
from models.conditions import Condition
from models.memo import Memo
from models.reading import PREFIX, LabelRules, Reading, read_labels
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
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
    """The services that have a form to run, by name, and the conditions of those that have none."""

    candidates: tuple[Candidate, ...]
    refused: Mapping[str, tuple[Condition, ...]]

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that must be resolved before the desired state can be built."""
        return frozenset().union(*(candidate.hosts for candidate in self.candidates if candidate.hosts))

    @property
    def ports(self) -> frozenset[int]:
        """The ports that services ask the proxy to listen on."""
        return frozenset().union(*(candidate.ports for candidate in self.candidates if candidate.ports))


class Judge:
    """Judges worlds one after the other; a service that is the same as in the last one is not judged again."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._rules = settings.label_rules
        self._good = Memo(partial(_good_candidate, rules=self._rules))
        self._last = Memo(self._judge)

    def __call__(self, snapshot: Snapshot, *, forms: Mapping[str, ProxyService], rejected: Mapping[str, str]) -> Judged:
        """Decide for every service which form of it is to be run.

        Args:
            snapshot: the world.
            forms: the valid forms in force until now, by service id.
            rejected: services whose configuration HAProxy refused, with its words, by service name.
        """
        judged = self._last(bool(rejected), snapshot.services, dict(forms), dict(rejected))
        self._last.forget_unused()
        return judged

    def _judge(
        self, services: tuple[SwarmService, ...], forms: Mapping[str, ProxyService], rejected: Mapping[str, str]
    ) -> Judged:
        candidates: list[Candidate] = []
        refused: dict[str, tuple[Condition, ...]] = {}
        for service in filter(self._is_ours, services):
            candidate = self._candidate(service, forms)
            if isinstance(candidate, Candidate) and service.name in rejected:
                candidate = (*candidate.found, conditions.config_rejected(rejected[service.name]))
            if isinstance(candidate, Candidate) and candidate.form.identity.replicas == 0:
                candidate = (*candidate.found, conditions.switched_off())
            if isinstance(candidate, Candidate):
                candidates.append(candidate)
            else:
                refused[service.name] = candidate
        self._good.forget_unused()
        return _settle_names(candidates, refused)

    def _is_ours(self, service: SwarmService) -> bool:
        """Return whether a service is for this proxy instance; one that is for another is none of our business."""
        if not self._settings.filter_proxy_instance_name:
            return True
        asked = service.labels.get(f"{PREFIX}proxyInstanceName", "")
        return asked.lower() == self._settings.proxy_instance_name.lower()

    def _candidate(self, service: SwarmService, forms: Mapping[str, ProxyService]) -> Candidate | tuple[Condition, ...]:
        return self._good(service.id, service) or _without_good_labels(service, self._rules, forms.get(service.id))


def judge(
    snapshot: Snapshot, settings: ProxySettings, *, forms: Mapping[str, ProxyService], rejected: Mapping[str, str]
) -> Judged:
    """Judge one world; see `Judge`."""
    return Judge(settings)(snapshot, forms=forms, rejected=rejected)


def _settle_names(candidates: list[Candidate], refused: dict[str, tuple[Condition, ...]]) -> Judged:
    """Give each ``aclName`` to the oldest service that uses it."""
    owners: dict[str, Candidate] = {}
    losers: set[str] = set()
    for candidate in candidates:
        name = candidate.form.acl_name
        rival = owners.setdefault(name, candidate)
        if rival is not candidate:
            owners[name], loser = sorted((rival, candidate), key=lambda each: each.seniority)
            losers.add(loser.swarm.name)
    for loser in (each for each in candidates if each.swarm.name in losers):
        owner = owners[loser.form.acl_name]
        conflict = conditions.name_conflict(name=owner.form.acl_name, winner=owner.swarm.name)
        refused[loser.swarm.name] = (*loser.found, conflict, conditions.not_programmed())
    return Judged(tuple(each for each in candidates if each.swarm.name not in losers), refused)


def _good_candidate(service: SwarmService, rules: LabelRules) -> Candidate | None:
    """Return the candidate of a service whose name and labels are valid; None if they are not."""
    if not is_name(service.name):
        return None
    reading = reading_of(service, service.labels, rules)
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
    reading = reading_of(service, service.labels, rules)
    candidate = partial(Candidate, service, deprecations=reading.deprecations)
    invalid = conditions.invalid_labels(
        (problem.text for problem in reading.problems), unknown_only=reading.unknown_only
    )
    if last is None and service.previous_labels is not None:
        last = reading_of(service, service.previous_labels, rules).service
    if reading.restricts:
        form = _without_restrictions(service, reading, rules) or last
        if form is not None:
            return candidate(form, last, closed=True, found=(invalid, conditions.failed_closed()))
    if last is None or reading.restricts:
        return (invalid, conditions.not_programmed())
    return candidate(last, last, found=(invalid, conditions.last_good_kept()))


def reading_of(service: SwarmService, labels: Mapping[str, str], rules: LabelRules) -> Reading:
    """Return what labels of a service, those that it has or others, say."""
    return _read_once(service.name, service.stack, frozenset(labels.items()), rules)


@lru_cache(maxsize=32768)
def _read_once(name: str, stack: str, labels: frozenset[tuple[str, str]], rules: LabelRules) -> Reading:
    """Read labels, or remember them: services change more often than their labels do."""
    return read_labels(name, dict(labels), rules, stack=stack)


def _without_restrictions(service: SwarmService, reading: Reading, rules: LabelRules) -> ProxyService | None:
    """Read the labels less those that narrow access and are wrong: it tells which routes are to be closed."""
    broken = {problem.label for problem in reading.problems if problem.restricts}
    rest = {label: value for label, value in service.labels.items() if label not in broken}
    return reading_of(service, rest, rules).service
