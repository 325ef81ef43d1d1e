"""One reconcile: read the world, judge it, render it, compare it with what HAProxy runs, apply the difference.

What HAProxy refuses is traced to the services whose lines it refused; these are left out, and all others are
programmed in the same round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import NoReturn

import structlog

from controller.blame import found_by_halving, named_by_haproxy, with_variables
from controller.changes import EMPTY_PLAN, Applied, Outcome, Plan
from controller.desired import Builder
from controller.endpoints import Needs, Surroundings
from controller.errors import ConfigRejectedError, MisconfiguredError, SwarmgateError
from controller.haproxy.validate import rejected_certificates
from controller.http.redaction import redacted
from controller.judging import Judge, Judged
from controller.loop import Result, Round
from controller.metrics import Metrics
from controller.plan import expected_after, make_plan
from controller.ports import Dataplane, Source
from controller.reload_gate import ReloadGate
from controller.status import StatusStore
from controller.templates import NO_FILES, TemplateFile, named_in
from models import conditions
from models.conditions import Reason
from models.machine import Machine
from models.observed import Observed
from models.proxy import Desired, TemplateTexts
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot
from render import records
from render.configuration import Renderer
from render.files import Rendered
from render.sections import tcp_frontend_key

log = structlog.get_logger()

_RETRY_PENDING = 5.0
"""Seconds after which retired servers and backends are looked at again, and unresolved hosts asked for."""


ReadSurroundings = Callable[[Needs], Awaitable[Surroundings]]
"""Reads what is around the proxy, given what of it is needed."""


_Search = Callable[[Judged, ConfigRejectedError], Awaitable[dict[str, str]]]


@dataclass(slots=True)
class Reconciler:
    """Holds what one reconcile hands to the next; everything else is read anew each time."""

    source: Source
    dataplane: Dataplane
    settings: ProxySettings
    machine: Machine
    read_surroundings: ReadSurroundings
    status: StatusStore
    metrics: Metrics
    on_converged: Callable[[Snapshot], None] = lambda _snapshot: None
    forms: Mapping[str, ProxyService] = field(default_factory=dict)
    rejected: dict[str, "Rejected"] = field(default_factory=dict)
    templates: Mapping[str, TemplateTexts] = field(default_factory=dict)
    refused_certificates: dict[str, str] = field(default_factory=dict)
    gate: ReloadGate = field(default_factory=ReloadGate)
    _expected: Observed | None = None
    _programmed: Rendered | None = None
    _waiting_since: float | None = None
    _files: Mapping[str, TemplateFile] = field(default_factory=dict)
    _judge_world: Judge = field(init=False)
    _build: Builder = field(init=False)
    _render: Renderer = field(init=False)
    _has_converged: bool = False

    def __post_init__(self) -> None:
        self._judge_world = Judge(self.settings)
        self._build = Builder(self.settings)
        self._render = Renderer(self.settings, self.machine)

    async def reconcile(self, started: Round) -> Result:
        """Converge HAProxy to the world once.

        Raises:
            TemporaryError: the world cannot be read, or HAProxy does not answer; nothing was lost.
            PermanentError: HAProxy refuses the configuration, and no service can be blamed for it.
        """
        self.metrics.attempted()
        if started.resync:
            self._expected = None
        try:
            return await self._reconcile(started)
        except BaseException as error:
            self._expected = None
            if not isinstance(error, asyncio.CancelledError):
                self.metrics.reconciled(Applied(Outcome.FAILED))
            raise

    def forget_observed(self) -> None:
        """Ask HAProxy anew what it runs at the next reconcile."""
        self._expected = None

    async def _reconcile(self, started: Round) -> Result:
        began = monotonic()
        if started.dirty_since is not None:
            self.gate.changed(began)
            self._waiting_since = self._waiting_since or began
        with self.metrics.stage("source"):
            snapshot = await self.source.snapshot()
        with self.metrics.stage("observe"):
            observed = self._expected or await self.dataplane.observe()
        outcome = await self._converge(snapshot, observed)
        if isinstance(outcome, Postponed):
            self._expected = observed
            return Result(requeue_after=outcome.seconds)
        self.gate.settled(monotonic(), reloaded=outcome.applied.outcome is Outcome.RELOAD)
        self._expected = expected_after(observed, outcome.rendered, outcome.applied)
        self._programmed = outcome.rendered
        self.forms, self.templates = outcome.desired.forms, outcome.desired.templates
        self._has_converged = True
        self._publish(outcome)
        self._note_duration(outcome, snapshot, monotonic() - began)
        self.on_converged(snapshot)
        is_waiting = outcome.applied.pending or self.status.count(Reason.HOST_NOT_RESOLVED)
        return Result(requeue_after=_RETRY_PENDING if is_waiting else None)

    async def _converge(self, snapshot: Snapshot, observed: Observed) -> "Converged | Postponed":
        """Apply the world; if HAProxy refuses lines of some services, apply it without these services."""
        search = partial(self._search, snapshot, observed)
        while True:
            with self.metrics.stage("desire"):
                await self._forgive(snapshot)
                judged = self._judge(snapshot)
                desired = await self._desire(judged, snapshot, observed)
            with self.metrics.stage("render"):
                rendered = self._render(desired)
            with self.metrics.stage("plan"):
                plan = self._plan(observed, rendered)
            if plan.reload_reasons and (delay := self.gate.delay(monotonic())) > 0:
                return Postponed(delay)
            try:
                with self.metrics.stage("apply"):
                    return Converged(desired, rendered, plan, await self.dataplane.apply(plan, rendered))
            except ConfigRejectedError as error:
                self._show_refused(error, rendered)
                certificates = self._refuse_certificates(error, rendered)
                if not (certificates or await self._quarantine(error, rendered, judged, search)):
                    self._fail(desired, rendered, error)
            except SwarmgateError as error:
                self._fail(desired, rendered, error)

    def _plan(self, observed: Observed, rendered: Rendered) -> Plan:
        """Return what there is to do; nothing, if HAProxy runs just this as far as is known."""
        is_there = observed is self._expected and rendered is self._programmed
        return EMPTY_PLAN if is_there else make_plan(observed, rendered)

    def _judge(self, snapshot: Snapshot, without: Iterable[str] = ()) -> Judged:
        """Judge the world, leaving out what HAProxy has refused and what has not changed since."""
        judged = self._judge_world(snapshot, forms=self.forms, rejected={})
        forms = {name: judged.by_name[name].form for name in self.rejected if name in judged.by_name}
        self.rejected = {name: entry for name, entry in self.rejected.items() if forms.get(name) == entry.form}
        words = dict.fromkeys(without, "") | {name: entry.words for name, entry in self.rejected.items()}
        return self._judge_world(snapshot, forms=self.forms, rejected=words) if words else judged

    async def _desire(self, judged: Judged, snapshot: Snapshot, observed: Observed) -> Desired:
        surroundings = await self.read_surroundings(_needs(judged, snapshot, observed))
        self._files = surroundings.templates
        return self._build(judged, surroundings, self.refused_certificates, templates=self.templates)

    async def _forgive(self, snapshot: Snapshot) -> None:
        """Try services anew that HAProxy has refused, if the templates that they name have changed since."""
        if any(entry.files != NO_FILES for entry in self.rejected.values()):
            files = (await self.read_surroundings(Needs(stored=snapshot.certificates))).templates
            entries = self.rejected.items()
            self.rejected = {name: entry for name, entry in entries if named_in(entry.form, files) == entry.files}

    async def _quarantine(
        self, error: ConfigRejectedError, rendered: Rendered, judged: Judged, search: _Search
    ) -> bool:
        """Blame the services that HAProxy means; return False if there is none to blame."""
        forms = {candidate.swarm.name: candidate.form for candidate in judged.candidates}
        named = {name: words for name, words in named_by_haproxy(error, rendered).items() if name in forms}
        blamed = named or await search(judged, error)
        self.rejected |= {
            name: Rejected(forms[name], named_in(forms[name], self._files), words) for name, words in blamed.items()
        }
        return bool(blamed)

    async def _search(
        self, snapshot: Snapshot, observed: Observed, judged: Judged, error: ConfigRejectedError
    ) -> dict[str, str]:
        """Find out by asking HAProxy which service it means: first among those that are new or have changed."""

        async def objection(without: frozenset[str]) -> ConfigRejectedError | None:
            desired = await self._desire(self._judge(snapshot, without), snapshot, observed)
            try:
                await self.dataplane.check(self._render(desired))
            except ConfigRejectedError as objection:
                return objection
            return None

        names = [candidate.swarm.name for candidate in judged.candidates]
        changed = [each.swarm.name for each in judged.candidates if self.forms.get(each.swarm.id) != each.form]
        for suspects in (changed, names):
            if found := await found_by_halving(error, suspects, objection):
                log.warning("HAProxy refuses a service without naming it", service=found[0], words=found[1])
                return dict((found,))
        return {}

    def _refuse_certificates(self, error: ConfigRejectedError, rendered: Rendered) -> bool:
        """Note the certificates that HAProxy refused, by what they are; return False if there is none."""
        refused = {
            rendered.certificates[file].fingerprint: words
            for file, words in rejected_certificates(error.output).items()
            if file in rendered.certificates
        }
        news = refused.keys() - self.refused_certificates.keys()
        self.refused_certificates |= refused
        return bool(news)

    def _publish(self, outcome: "Converged") -> None:
        self.status.publish(outcome.desired, outcome.applied, outcome.desired.versions)
        self.metrics.reconciled(outcome.applied)
        self.metrics.services(self.status.count_by_condition())
        self.metrics.certificates(outcome.desired.certificates)

    def _show_refused(self, error: ConfigRejectedError, rendered: Rendered) -> None:
        """Log the configuration that HAProxy refused, if the operator wants to see it."""
        if self.settings.display_config_on_error:
            log.error("HAProxy refused a configuration", words=error.output, configuration=redacted(rendered.config))

    def _fail(self, desired: Desired, rendered: Rendered, error: SwarmgateError) -> NoReturn:
        """Have the conditions say that HAProxy runs what it ran before, and raise the error; the caller counts it."""
        told = with_variables(error, rendered)
        failure = conditions.apply_failed(str(told))
        self.status.publish(desired, Applied(Outcome.FAILED), desired.versions, failure)
        self.metrics.services(self.status.count_by_condition())
        if told is not error and not self._has_converged and isinstance(error, ConfigRejectedError):
            raise MisconfiguredError(str(told)) from error
        raise told from (error.__cause__ if told is error else error)

    def _note_duration(self, outcome: "Converged", snapshot: Snapshot, seconds: float) -> None:
        waiting_since, self._waiting_since = self._waiting_since, None
        applied = outcome.applied
        if applied.outcome is Outcome.NOOP:
            log.debug("Reconciled", services=len(snapshot.services), outcome=applied.outcome.value)
            return
        if waiting_since is not None:
            self.metrics.programmed(monotonic() - waiting_since)
        log.info(
            "Reconciled",
            services=len(snapshot.services),
            outcome=applied.outcome.value,
            changes=len(outcome.plan.changes) + len(outcome.plan.retirements),
            pending=len(applied.pending),
            reload_reasons=[reason.value for reason in applied.reload_reasons],
            seconds=round(seconds, 4),
        )


@dataclass(frozen=True, slots=True)
class Rejected:
    """A service that HAProxy refused, with the files that its templates were in, and HAProxy's words."""

    form: ProxyService
    files: tuple[TemplateFile | None, ...]
    words: str


@dataclass(frozen=True, slots=True)
class Converged:
    """A reconcile that came to its end, with everything it made on the way."""

    desired: Desired
    rendered: Rendered
    plan: Plan
    applied: Applied


@dataclass(frozen=True, slots=True)
class Postponed:
    """A reconcile that needs a reload, which has to wait some seconds for others to join."""

    seconds: float


def _needs(judged: Judged, snapshot: Snapshot, observed: Observed) -> Needs:
    """Return what has to be found out; ports that HAProxy listens on are its own."""
    loaded = observed.maps.get(records.LOADED, {})
    ports = frozenset(port for port in judged.ports if tcp_frontend_key(port) not in loaded)
    return Needs(judged.hosts, ports, snapshot.certificates)
