"""One reconcile: read the world, judge it, render it, compare it with what HAProxy runs, apply the difference.

What HAProxy refuses is traced to the services whose lines it refused; these are left out, and all others are
programmed in the same round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from dataclasses import dataclass, field
from time import monotonic

import structlog

from controller.changes import Applied, Outcome, Plan
from controller.desired import Judged, build_desired, hosts_outside, judge
from controller.endpoints import Surroundings
from controller.errors import ConfigRejectedError, SwarmgateError
from controller.haproxy.validate import rejected_certificates, rejected_lines
from controller.loop import Result, Round
from controller.metrics import Metrics
from controller.plan import expected_after, make_plan
from controller.ports import Dataplane, Source
from controller.reload_gate import ReloadGate
from controller.status import StatusStore
from models import conditions
from models.conditions import Reason
from models.machine import Machine
from models.observed import Observed
from models.proxy import Desired
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot, StoredCertificate
from render.configuration import render
from render.files import Rendered

log = structlog.get_logger()

_RETRY_PENDING = 5.0
"""Seconds after which retired servers and backends are looked at again, and unresolved hosts asked for."""


ReadSurroundings = Callable[[Iterable[str], Collection[StoredCertificate]], Awaitable[Surroundings]]
"""Reads what is around the proxy, given the host names outside the Swarm that are needed, and what the Swarm keeps."""


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
    forms: dict[str, ProxyService] = field(default_factory=dict)
    rejected: dict[str, tuple[ProxyService, str]] = field(default_factory=dict)
    refused_certificates: dict[str, str] = field(default_factory=dict)
    gate: ReloadGate = field(default_factory=ReloadGate)
    _expected: Observed | None = None
    _waiting_since: float | None = None

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
        self.forms = dict(outcome.desired.forms)
        self._publish(outcome, snapshot)
        self._note_duration(outcome, snapshot, monotonic() - began)
        self.on_converged(snapshot)
        return Result(requeue_after=_RETRY_PENDING if _is_waiting(outcome) else None)

    async def _converge(self, snapshot: Snapshot, observed: Observed) -> "Converged | Postponed":
        """Apply the world; if HAProxy refuses lines of some services, apply it without these services."""
        while True:
            with self.metrics.stage("desire"):
                judged = self._judge(snapshot)
                desired = await self._desire(judged, snapshot)
            with self.metrics.stage("render"):
                rendered = render(desired, self.settings, self.machine)
            with self.metrics.stage("plan"):
                plan = make_plan(observed, rendered)
            if plan.reload_reasons and (delay := self.gate.delay(monotonic())) > 0:
                return Postponed(delay)
            try:
                with self.metrics.stage("apply"):
                    return Converged(desired, rendered, plan, await self.dataplane.apply(plan, rendered))
            except ConfigRejectedError as error:
                certificates = self._refuse_certificates(error, rendered)
                if not (self._quarantine(error, rendered, judged) or certificates):
                    self._publish_failure(desired, snapshot, error)
                    raise
            except SwarmgateError as error:
                self._publish_failure(desired, snapshot, error)
                raise

    def _judge(self, snapshot: Snapshot) -> Judged:
        """Judge the world, leaving out what HAProxy has refused and what has not changed since."""
        judged = judge(snapshot, self.settings, forms=self.forms, rejected={})
        forms = {candidate.swarm.name: candidate.form for candidate in judged.candidates}
        self.rejected = {name: entry for name, entry in self.rejected.items() if forms.get(name) == entry[0]}
        if not self.rejected:
            return judged
        words = {name: words for name, (_, words) in self.rejected.items()}
        return judge(snapshot, self.settings, forms=self.forms, rejected=words)

    async def _desire(self, judged: Judged, snapshot: Snapshot) -> Desired:
        surroundings = await self.read_surroundings(hosts_outside(judged), snapshot.certificates)
        return build_desired(judged, self.settings, surroundings, self.refused_certificates)

    def _quarantine(self, error: ConfigRejectedError, rendered: Rendered, judged: Judged) -> bool:
        """Blame the services whose lines HAProxy refused; return False if there is none to blame."""
        forms = {candidate.swarm.name: candidate.form for candidate in judged.candidates}
        blamed = {
            service: (forms[service], words)
            for line, words in rejected_lines(error.output).items()
            for service in rendered.owners.get(line, ())
            if service in forms and service not in self.rejected
        }
        self.rejected |= blamed
        return bool(blamed)

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

    def _publish(self, outcome: "Converged", snapshot: Snapshot) -> None:
        self.status.publish(outcome.desired, outcome.applied, _versions(snapshot))
        self.metrics.reconciled(outcome.applied)
        self.metrics.services(self.status.count_by_condition())
        self.metrics.certificates(outcome.desired.certificates)

    def _publish_failure(self, desired: Desired, snapshot: Snapshot, error: SwarmgateError) -> None:
        """Have the conditions say that HAProxy runs what it ran before; the caller counts the failure."""
        failure = conditions.apply_failed(str(error))
        self.status.publish(desired, Applied(Outcome.FAILED), _versions(snapshot), failure)
        self.metrics.services(self.status.count_by_condition())

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


def _versions(snapshot: Snapshot) -> dict[str, int]:
    return {service.name: service.version for service in snapshot.services}


def _is_waiting(outcome: Converged) -> bool:
    """Return whether something is left that no event will tell us about."""
    facts = (fact for facts in outcome.desired.conditions.values() for fact in facts)
    return bool(outcome.applied.pending) or any(fact.reason is Reason.HOST_NOT_RESOLVED for fact in facts)
