"""One reconcile: read the world, judge it, render it, compare it with what HAProxy runs, apply the difference.

What HAProxy refuses is traced to the services whose lines it refused; these go back to what it took of them before,
or are left out, and all others are programmed in the same round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import partial
from time import monotonic
from typing import NoReturn

import structlog

from controller.account import Account, of_applied, of_world
from controller.blame import blamed, with_variables
from controller.changes import EMPTY_PLAN, Applied, Outcome, Plan
from controller.desired import Builder
from controller.endpoints import Needs, Surroundings
from controller.errors import ConfigRejectedError, LoadRefusedError, MisconfiguredError, SwarmgateError, TemporaryError
from controller.haproxy.validate import rejected_certificates
from controller.history import History
from controller.inspection import Inspection
from controller.judging import Candidate, Judge, Judged
from controller.loop import Result, Round
from controller.metrics import Metrics
from controller.plan import expected_after, make_plan
from controller.ports import Dataplane, Source
from controller.quarantine import Quarantine
from controller.redaction import redacted
from controller.reload_gate import ReloadGate
from controller.remembered import Remembered
from controller.sources.saved import Saved
from controller.status import News, StatusStore
from controller.templates import TemplateFile
from models import conditions
from models.conditions import Reason
from models.machine import Machine
from models.observed import Observed
from models.proxy import Desired, LastGood, TemplateTexts
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
    memory: Saved[Remembered] | None = None
    history: History = field(init=False)
    forms: Mapping[str, LastGood] = field(default_factory=dict)
    templates: Mapping[str, TemplateTexts] = field(default_factory=dict)
    refused_certificates: dict[str, str] = field(default_factory=dict)
    gate: ReloadGate = field(default_factory=ReloadGate)
    staleness: Callable[[], float] = lambda: 0.0
    _expected: Observed | None = None
    _programmed: Rendered | None = None
    _files: Mapping[str, TemplateFile] = field(default_factory=dict)
    _judge_world: Judge = field(init=False)
    _build: Builder = field(init=False)
    _render: Renderer = field(init=False)
    _quarantine: Quarantine = field(default_factory=Quarantine)
    _has_converged: bool = False
    _account: Account = field(init=False)

    def __post_init__(self) -> None:
        self.history = History(self.status.now)
        self._account = Account(self.metrics)
        self._judge_world = Judge(self.settings)
        self._build = Builder(self.settings)
        self._render = Renderer(self.settings, self.machine)
        if self.memory is not None and (known := self.memory.load()) is not None:
            self.forms, self.templates = known.forms, known.templates

    async def reconcile(self, started: Round) -> Result:
        """Converge HAProxy to the world once.

        Raises:
            TemporaryError: the world cannot be read, or HAProxy does not answer; nothing was lost.
            PermanentError: HAProxy refuses the configuration, and no service can be blamed for it.
        """
        self.metrics.attempted()
        self._account.begin(started)
        if started.resync:
            self._expected = None
        try:
            return await self._reconcile(started)
        except BaseException as error:
            self._expected = None
            if not isinstance(error, asyncio.CancelledError):
                self.metrics.reconciled(Applied(Outcome.FAILED))
                words = str(error) if isinstance(error, SwarmgateError) else "an unexpected error; the log tells more"
                self.history.failed(words, seconds=self._account.seconds, causes=self._account.causes)
                started.facts.update(self._account.facts, outcome=Outcome.FAILED.value, **self._quarantined)
            raise

    def forget_observed(self) -> None:
        """Ask HAProxy anew what it runs at the next reconcile."""
        self._expected = None

    async def _reconcile(self, started: Round) -> Result:
        if started.dirty_since is not None:
            self.gate.changed(monotonic())
        with self._account.stage("source"):
            snapshot = await self.source.snapshot()
        self._account.services = len(snapshot.services)
        with self._account.stage("observe"):
            observed = self._expected or await self.dataplane.observe()
        outcome = await self._converge(snapshot, observed, started.overtaken)
        if isinstance(outcome, Postponed):
            self._expected = observed
            return Result(requeue_after=outcome.seconds)
        self.gate.settled(monotonic(), reloaded=outcome.applied.outcome is Outcome.RELOAD)
        self._expected = expected_after(observed, outcome.rendered, outcome.applied)
        self._programmed = outcome.rendered
        self._remember(outcome.desired)
        self._has_converged = True
        self._give_account(outcome, self._publish(outcome))
        self.on_converged(snapshot)
        is_waiting = outcome.applied.pending or self.status.count(Reason.HOST_NOT_RESOLVED)
        return Result(requeue_after=_RETRY_PENDING if is_waiting else None)

    def _remember(self, desired: Desired) -> None:
        """Keep what HAProxy has taken, to go back to it.

        What an earlier life has kept is not compared, since it would have to be read; a file that says the same stays.
        """
        is_new = not self._has_converged or desired.forms != self.forms or desired.templates != self.templates
        self.forms, self.templates = desired.forms, desired.templates
        if is_new and self.memory is not None:
            self.memory.save_soon(Remembered(dict(self.forms.items()), dict(self.templates.items())))

    async def _converge(
        self, snapshot: Snapshot, observed: Observed, overtaken: Callable[[], bool]
    ) -> "Converged | Postponed":
        """Apply the world; if HAProxy refuses lines of some services, apply it without these lines."""
        inspection = Inspection(self.dataplane.check)
        while True:
            with self._account.stage("desire"):
                await self._forgive(snapshot)
                judged = self._judge(snapshot)
                desired = await self._desire(judged, snapshot, observed)
            with self._account.stage("render"):
                rendered = self._render(desired)
            with self._account.stage("plan"):
                plan = self._plan(observed, rendered)
            if plan.reload_reasons and (delay := self._delay(is_overtaken=overtaken())) > 0:
                return Postponed(delay)
            try:
                with self._account.stage("apply"):
                    if plan.reload_reasons:
                        if await self._refuses_some(inspection, rendered, judged, snapshot):
                            continue
                        plan = replace(plan, checked=inspection.is_complete)
                    return Converged(desired, rendered, plan, await self.dataplane.apply(plan, rendered))
            except ConfigRejectedError as error:
                if inspection.is_complete:
                    inspection.distrust()
                    continue
                self._show_refused(error, rendered)
                certificates = self._refuse_certificates(error, rendered)
                desire = partial(self._desire, snapshot=snapshot, observed=observed)
                if not (certificates or await self._blame(error, rendered, judged, snapshot, desire)):
                    self._fail(desired, rendered, error)
            except SwarmgateError as error:
                self._fail(desired, rendered, error)

    def _delay(self, *, is_overtaken: bool) -> float:
        """Return the seconds that a reload has to wait; what came while the world was read is one more change."""
        now = monotonic()
        if is_overtaken:
            self.gate.changed(now)
        return self.gate.delay(now)

    def _plan(self, observed: Observed, rendered: Rendered) -> Plan:
        """Return what there is to do; nothing, if HAProxy runs just this as far as is known."""
        is_there = observed is self._expected and rendered is self._programmed
        return EMPTY_PLAN if is_there else make_plan(observed, rendered)

    def _judge(self, snapshot: Snapshot) -> Judged:
        """Judge the world, with something else in place of what HAProxy has refused and what has not changed since."""
        wanted = self._wanted(snapshot)
        self._quarantine.release(wanted, None)
        refusals = self._quarantine.refusals
        return self._judge_world(snapshot, forms=self.forms, rejected=refusals) if refusals else wanted

    def _wanted(self, snapshot: Snapshot) -> Judged:
        """Judge the world as if HAProxy had refused nothing."""
        return self._judge_world(snapshot, forms=self.forms, rejected={})

    async def _desire(self, judged: Judged, snapshot: Snapshot, observed: Observed) -> Desired:
        surroundings = await self.read_surroundings(_needs(judged, snapshot, observed))
        self._files = surroundings.templates
        return self._build(judged, surroundings, self.refused_certificates, templates=self.templates)

    async def _forgive(self, snapshot: Snapshot) -> None:
        """Try services anew that HAProxy has refused, if the templates that they name have changed since."""
        if self._quarantine.has_templates:
            files = (await self.read_surroundings(Needs(stored=snapshot.certificates))).templates
            self._quarantine.release(self._wanted(snapshot), files)

    async def _blame(
        self,
        error: ConfigRejectedError,
        rendered: Rendered,
        judged: Judged,
        snapshot: Snapshot,
        desire: Callable[[Judged], Awaitable[Desired]],
    ) -> bool:
        """Put the services in quarantine that HAProxy means; return False if there is none to blame."""

        async def objection(without: AbstractSet[str]) -> ConfigRejectedError | None:
            try:
                await self.dataplane.check(self._render(await desire(judged.without(without))))
            except ConfigRejectedError as objection:
                return objection
            return None

        found = await blamed(error, rendered, self._changed(judged), self.dataplane.check, objection)
        return self._take(found, judged, snapshot)

    async def _refuses_some(
        self, inspection: Inspection, rendered: Rendered, judged: Judged, snapshot: Snapshot
    ) -> bool:
        """Have HAProxy look at what is new, if it is much; put those in quarantine that it refuses, if any."""
        found = await inspection.bad(rendered, self._changed(judged))
        if inspection.refusal is not None:
            self._show_refused(inspection.refusal, rendered)
        return self._take(found, judged, snapshot)

    def _take(self, found: Mapping[str, str], judged: Judged, snapshot: Snapshot) -> bool:
        """Put services in quarantine; return False if there is none."""
        blame = {name: words for name, words in found.items() if name in judged.by_name}
        if blame:
            self._quarantine.take(blame, self._wanted(snapshot), self._files)
        return bool(blame)

    def _changed(self, judged: Judged) -> list[str]:
        """Return the names of the services of which HAProxy has not run this form before."""
        return [each.swarm.name for each in judged.candidates if self._is_new(each)]

    def _is_new(self, candidate: Candidate) -> bool:
        """Return whether HAProxy has not run this form of a service before."""
        last = self.forms.get(candidate.swarm.id)
        return last is None or last.form != candidate.form

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

    def _publish(self, outcome: "Converged") -> News:
        news = self.status.publish(outcome.desired, outcome.applied, outcome.desired.versions)
        self.metrics.reconciled(outcome.applied)
        self.metrics.services(self.status.count_by_condition())
        self.metrics.certificates(outcome.desired.certificates)
        return news

    def _show_refused(self, error: ConfigRejectedError, rendered: Rendered) -> None:
        """Log the configuration that HAProxy refused, if the operator wants to see it."""
        if self.settings.display_config_on_error:
            log.error("HAProxy refused a configuration", words=error.output, configuration=redacted(rendered.config))

    def _fail(self, desired: Desired, rendered: Rendered, error: SwarmgateError) -> NoReturn:
        """Have the conditions say that HAProxy runs what it ran before, and raise the error; the caller counts it."""
        told = with_variables(error, rendered)
        is_a_variables = told is not error
        if isinstance(error, LoadRefusedError):
            told = TemporaryError(str(told))
        failure = conditions.apply_failed(str(told))
        self.status.publish(desired, Applied(Outcome.FAILED), desired.versions, failure)
        self.metrics.services(self.status.count_by_condition())
        if is_a_variables and not self._has_converged and isinstance(error, ConfigRejectedError):
            raise MisconfiguredError(str(told)) from error
        raise told from (error.__cause__ if told is error else error)

    def _give_account(self, outcome: "Converged", news: News) -> None:
        """Write the one line about a reconcile that changed something, and keep it in the history."""
        account = self._account
        waiting_since, facts = account.waiting_since, account.facts
        self.history.converged(outcome.plan, outcome.applied, news, seconds=account.seconds, causes=account.causes)
        account.end()
        if outcome.applied.outcome is Outcome.NOOP:
            log.debug("Reconciled", outcome=Outcome.NOOP.value, **facts)
            return
        if waiting_since is not None:
            self.metrics.programmed(monotonic() - waiting_since)
        about = of_applied(outcome.applied, news) | of_world(self.status.digest, self.staleness())
        log.info("Reconciled", **about, **facts, **self._quarantined)

    @property
    def _quarantined(self) -> dict[str, object]:
        return {"quarantined": sorted(self._quarantine.refusals)}


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
    return Needs(judged.hosts, ports, judged.outside, snapshot.certificates)
