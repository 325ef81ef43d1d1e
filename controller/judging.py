"""Which form of every service is to be run: reading labels, going back to the last good ones, settling names. Pure.

One whose labels became invalid keeps its last valid form, except when the broken label narrows access: then its routes
answer 503 rather than open up. The same is done for one whose labels are valid and whose lines HAProxy refuses.
"""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import compress, count
from operator import is_not
from typing import NamedTuple

from controller.endpoints import outside_host
from models import conditions, notices
from models.conditions import Condition
from models.narrowing import narrows
from models.notices import Notice
from models.proxy import LastGood
from models.reading import PREFIX, LabelRules, Reading, read_labels
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
from models.tables import Derived, Gathered, Latest, Table
from models.types import is_name


@dataclass(frozen=True, slots=True)
class Candidate:
    """A Swarm service with the form that is to be run for it, and what has been found out on the way.

    ``good`` is the form to go back to when the next labels are of no use; a form that had to be closed is none. With
    ``keeps_templates`` its templates are what they were until now, whatever the files say.
    """

    swarm: SwarmService
    form: ProxyService
    good: LastGood | None
    closed: bool = False
    keeps_templates: bool = False
    found: tuple[Condition, ...] = ()
    notices: tuple[Notice, ...] = ()

    @property
    def seniority(self) -> tuple[object, ...]:
        """Sorts services that compete for the same thing: the first wins."""
        return (self.swarm.created_at, self.form.acl_name, self.swarm.name)


class Asked(NamedTuple):
    """What has to be looked at for a service.

    ``hosts`` are the names to resolve, ``ports`` those that it asks the proxy to listen on, ``outside`` those at which
    hosts outside the Swarm are asked.
    """

    hosts: frozenset[str]
    ports: frozenset[int]
    outside: frozenset[int]


@dataclass(frozen=True, slots=True)
class Judged:
    """The services that have a form to run, and the conditions of those that have none, both by name.

    ``asking`` are the services whose hosts or ports have to be looked at; ``versions`` the Swarm version index of all.
    """

    by_name: Table[str, Candidate]
    refused: Table[str, tuple[Condition, ...]]
    asking: Table[str, Asked]
    versions: Table[str, int]

    @property
    def candidates(self) -> tuple[Candidate, ...]:
        """The services that have a form to run, by name."""
        return tuple(self.by_name.values())

    @property
    def hosts(self) -> frozenset[str]:
        """The host names that must be resolved before the desired state can be built."""
        return frozenset().union(*(each.hosts for each in self.asking.values()))

    @property
    def outside(self) -> frozenset[int]:
        """The ports at which hosts outside the Swarm are asked."""
        return frozenset().union(*(each.outside for each in self.asking.values()))

    @property
    def ports(self) -> frozenset[int]:
        """The ports that services ask the proxy to listen on."""
        return frozenset().union(*(each.ports for each in self.asking.values()))

    def without(self, names: AbstractSet[str]) -> "Judged":
        """Return the same without some services."""
        gone = dict.fromkeys(names)
        return replace(self, by_name=self.by_name.revised(gone), asking=self.asking.revised(gone))


@dataclass(frozen=True, slots=True)
class Refusal:
    """HAProxy's words about what a service's labels ask for; ``last_too``: it refused the last good form as well."""

    words: str
    last_too: bool = False


_Found = Candidate | tuple[Condition, ...]


class Judge:
    """Judges worlds one after the other; a service that is the same as in the last one is not judged again."""

    def __init__(self, settings: ProxySettings) -> None:
        self._settings = settings
        self._rules = settings.label_rules
        self._world = Snapshot()
        self._services: Table[str, SwarmService] = Table()
        self._forms: Mapping[str, LastGood] = {}
        self._last_forms: dict[str, tuple[str, LastGood | None]] = {}
        self._labels: Derived[str, _Labels] = Derived(self._labels_of)
        self._readings: Derived[str, Reading] = Derived(self._read)
        self._wanted: Derived[str, _Found] = Derived(self._judged)
        self._versions: Derived[str, int] = Derived(lambda service: service.version)
        self._settle = {is_with_refusals: _Settling(self._instead) for is_with_refusals in (False, True)}

    def __call__(self, snapshot: Snapshot, *, forms: Mapping[str, LastGood], rejected: Mapping[str, Refusal]) -> Judged:
        """Decide for every service which form of it is to be run.

        Args:
            snapshot: the world.
            forms: the valid forms in force until now, by service id.
            rejected: services whose configuration HAProxy refused, by service name.
        """
        self._services = self._services.revised(_differing(self._world.services, snapshot.services))
        self._world = snapshot
        self._forms = forms
        readings = self._readings(self._labels(self._services))
        wanted = self._wanted(self._services, readings, again=self._with_other_forms())
        return self._settle[bool(rejected)](wanted, dict(rejected), self._versions(self._services))

    def _with_other_forms(self) -> list[str]:
        """Return the services that depend on their last form, if that is another one now."""
        self._last_forms = {name: each for name, each in self._last_forms.items() if name in self._services}
        return [name for name, (id_, form) in self._last_forms.items() if self._forms.get(id_) is not form]

    def _labels_of(self, service: SwarmService) -> "_Labels | None":
        """Return what is to be read of a service, which changes more often than its labels do; None if nothing is."""
        if not (self._is_ours(service) and is_name(service.name)):
            return None
        return _Labels(service.name, service.stack, service.labels)

    def _read(self, labels: "_Labels") -> Reading:
        return labels.read(self._rules)

    def _judged(self, service: SwarmService | None, reading: Reading | None) -> _Found | None:
        """Judge a service as if HAProxy had refused nothing; None if it is none of ours."""
        if service is None or not self._is_ours(service):
            return None
        if reading is None:
            return (conditions.invalid_name(service.name), conditions.not_programmed())
        return _good_candidate(service, reading) or _without_good_labels(
            service, reading, self._rules, self._last_form(service)
        )

    def _is_ours(self, service: SwarmService) -> bool:
        """Return whether a service is for this proxy instance; one that is for another is none of our business."""
        if not self._settings.filter_proxy_instance_name:
            return True
        asked = service.labels.get(f"{PREFIX}proxyInstanceName", "")
        return asked.lower() == self._settings.proxy_instance_name.lower()

    def _last_form(self, service: SwarmService) -> LastGood | None:
        """Return the form in force until now, and remember who depends on it."""
        form = self._forms.get(service.id)
        self._last_forms[service.name] = (service.id, form)
        return form

    def _instead(self, refused: Candidate, refusal: Refusal) -> _Found:
        """Return what is to be run in place of a form that HAProxy refused: the last good one, if it is another."""
        last = self._forms.get(refused.swarm.id) or _previous(refused.swarm, self._rules)
        is_same = last is not None and last.form == refused.form and not _has_templates(last.form)
        if last is None or is_same or refusal.last_too:
            return (*refused.found, conditions.config_rejected(refusal.words))
        closed = refused.closed or narrows(refused.form, last.form)
        say = conditions.config_rejected_closed if closed else conditions.config_rejected_last_kept
        found = (*refused.found, say(refusal.words))
        return replace(refused, form=last.form, good=last, closed=closed, keeps_templates=True, found=found)


class _Settling:
    """Puts something else in place of what HAProxy refused, and settles who has which name, world after world.

    ``instead`` tells what is to be run of a service that was refused.
    """

    def __init__(self, instead: Callable[[Candidate, Refusal], _Found]) -> None:
        self._instead = instead
        self._found: Derived[str, _Found] = Derived(self._taken)
        self._claimants = Gathered(_names_used, _oldest_first)
        self._conflicts = Gathered(_losers, _first_conflict)
        self._contested: Gathered[str, tuple[Notice, ...], str, str] = Gathered(_by_winner, _in_order)
        self._running: Derived[str, Candidate] = Derived(_running)
        self._refused: Derived[str, tuple[Condition, ...]] = Derived(_refused)
        self._asking: Derived[str, Asked] = Derived(_asked)
        self._result = Latest(Judged)

    def __call__(
        self, wanted: Table[str, _Found], refusals: Mapping[str, Refusal], versions: Table[str, int]
    ) -> Judged:
        """Settle one world; what is run of a refused service may be another form though nothing else has changed."""
        found = self._found(wanted, refusals, again=refusals)
        conflicts = self._conflicts(self._claimants(found))
        running = self._running(found, conflicts, self._contested(conflicts))
        judged: Judged = self._result(running, self._refused(found, conflicts), self._asking(running), versions)
        return judged

    def _taken(self, found: _Found | None, refusal: Refusal | None) -> _Found | None:
        if isinstance(found, Candidate) and refusal is not None:
            found = self._instead(found, refusal)
        if isinstance(found, Candidate) and found.form.identity.replicas == 0:
            return (*found.found, conditions.switched_off())
        return found


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
    snapshot: Snapshot, settings: ProxySettings, *, forms: Mapping[str, LastGood], rejected: Mapping[str, Refusal]
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


class _Lost(NamedTuple):
    """A name that a service does not get, and who has it."""

    name: str
    winner: str

    @property
    def condition(self) -> Condition:
        """What is to be said of the one that lost."""
        return conditions.name_conflict(name=self.name, winner=self.winner)


def _losers(uses: tuple[_Use, ...]) -> Mapping[str, _Lost]:
    """Give a name to the oldest service that uses it; the others are told, by service."""
    owner, *others = uses
    return {loser.candidate.swarm.name: _Lost(loser.name, owner.candidate.swarm.name) for loser in others}


def _first_conflict(conflicts: Mapping[str, _Lost]) -> _Lost:
    return min(conflicts.values())


def _by_winner(lost: _Lost) -> Mapping[str, str]:
    return {lost.winner: lost.name}


def _in_order(names: Mapping[str, str]) -> tuple[Notice, ...]:
    """Return what the winner is told, given the names that others lost to it by these others."""
    return tuple(notices.contested(f"the name {names[loser]}", by=loser) for loser in sorted(names))


def _running(found: _Found | None, conflict: _Lost | None, contested: tuple[Notice, ...] | None) -> Candidate | None:
    if not isinstance(found, Candidate) or conflict is not None:
        return None
    return replace(found, notices=(*found.notices, *contested)) if contested else found


def _asked(candidate: Candidate) -> Asked | None:
    form = candidate.form
    outside = [(each, host) for each in form.destinations if (host := outside_host(candidate.swarm, each)) is not None]
    ports = {each.matching.opened_port for each in form.destinations}
    asked = Asked(
        frozenset(host for _, host in outside),
        frozenset(port for port in ports if port is not None),
        frozenset(way.port for each, _ in outside for way in form.ways(each)),
    )
    return asked if any(asked) else None


def _refused(found: _Found | None, conflict: _Lost | None) -> tuple[Condition, ...] | None:
    if not isinstance(found, Candidate):
        return found
    return None if conflict is None else (*found.found, conflict.condition, conditions.not_programmed())


class _Labels(NamedTuple):
    """The labels of a service, with what else their meaning depends on."""

    name: str
    stack: str
    labels: Mapping[str, str]

    def read(self, rules: LabelRules) -> Reading:
        """Read them."""
        return read_labels(self.name, self.labels, rules, stack=self.stack)


def _good_candidate(service: SwarmService, reading: Reading) -> Candidate | None:
    """Return the candidate of a service whose labels are valid; None if they are not."""
    if reading.service is None:
        return None
    good = LastGood(reading.service, service.labels)
    return Candidate(service, reading.service, good, found=(conditions.accepted(),), notices=_notices(reading))


def _without_good_labels(
    service: SwarmService, reading: Reading, rules: LabelRules, last: LastGood | None
) -> Candidate | tuple[Condition, ...]:
    candidate = partial(Candidate, service, notices=_notices(reading))
    invalid = conditions.invalid_labels(
        (problem.text for problem in reading.problems), unknown_only=reading.unknown_only
    )
    last = last or _previous(service, rules)
    if reading.restricts:
        form = _without_restrictions(service, reading, rules) or (last.form if last else None)
        if form is not None:
            return candidate(form, last, closed=True, found=(invalid, conditions.failed_closed()))
    if last is None or reading.restricts:
        return (invalid, conditions.not_programmed())
    return candidate(last.form, last, found=(invalid, conditions.last_good_kept()))


def _previous(service: SwarmService, rules: LabelRules) -> LastGood | None:
    """Return what the labels say that the service had before its last update, as far as Swarm knows."""
    labels = service.previous_labels
    form = None if labels is None else _read_aside(service, labels, rules)
    return None if labels is None or form is None else LastGood(form, labels)


def _has_templates(form: ProxyService) -> bool:
    custom = form.destinations[0].custom
    return custom.template_fe_path is not None or custom.template_be_path is not None


def _notices(reading: Reading) -> tuple[Notice, ...]:
    return (*map(notices.deprecated, reading.deprecations), *map(notices.without_effect, reading.without_effect))


def _without_restrictions(service: SwarmService, reading: Reading, rules: LabelRules) -> ProxyService | None:
    """Read the labels less those that narrow access and are wrong: it tells which routes are to be closed."""
    broken = {problem.label for problem in reading.problems if problem.restricts}
    rest = {label: value for label, value in service.labels.items() if label not in broken}
    return _read_aside(service, rest, rules)


def _read_aside(service: SwarmService, labels: Mapping[str, str], rules: LabelRules) -> ProxyService | None:
    """Read labels other than a service has, or remember them: they are asked for as long as its own are of no use."""
    return _read_once(service.name, service.stack, frozenset(labels.items()), rules)


@lru_cache(maxsize=1024)
def _read_once(name: str, stack: str, labels: frozenset[tuple[str, str]], rules: LabelRules) -> ProxyService | None:
    return read_labels(name, dict(labels), rules, stack=stack).service
