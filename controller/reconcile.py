"""One reconcile: read the world, judge it, render it, compare it with what HAProxy runs, apply the difference.

What HAProxy refuses is traced to the services whose lines it refused; these are left out, and all others are
programmed in the same round.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from time import monotonic

import structlog

from controller.changes import Applied, Outcome, Plan
from controller.desired import Judged, build_desired, hosts_outside, judge
from controller.endpoints import Surroundings
from controller.errors import ConfigRejectedError, SwarmgateError
from controller.haproxy.validate import rejected_lines
from controller.loop import Result, Round
from controller.metrics import Metrics
from controller.plan import expected_after, make_plan
from controller.ports import Dataplane, Source
from controller.status import StatusStore
from models import conditions
from models.machine import Machine
from models.observed import Observed
from models.proxy import Desired
from models.service import ProxyService
from models.settings import ProxySettings
from models.snapshot import Snapshot
from render.configuration import render
from render.files import Rendered

log = structlog.get_logger()

_RETRY_PENDING = 5.0
"""Seconds after which retired servers and backends are looked at again, and unresolved hosts asked for."""


ReadSurroundings = Callable[[Iterable[str]], Awaitable[Surroundings]]
"""Reads what is around the proxy, given the host names outside the Swarm that are needed."""


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
    _expected: Observed | None = None

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
        with self.metrics.stage("source"):
            snapshot = await self.source.snapshot()
        with self.metrics.stage("observe"):
            observed = self._expected or await self.dataplane.observe()
        desired, rendered, plan, applied = await self._converge(snapshot, observed)
        self._expected = expected_after(observed, rendered, applied)
        self.forms = dict(desired.forms)
        versions = {service.name: service.version for service in snapshot.services}
        self.status.publish(desired, applied, versions)
        self.metrics.reconciled(applied)
        self.metrics.services(self.status.count_by_condition())
        self._note_duration(started, snapshot, plan, applied, monotonic() - began)
        self.on_converged(snapshot)
        waiting = applied.pending or any(
            fact.reason is conditions.Reason.HOST_NOT_RESOLVED
            for facts in desired.conditions.values()
            for fact in facts
        )
        return Result(requeue_after=_RETRY_PENDING if waiting else None)

    async def _converge(self, snapshot: Snapshot, observed: Observed) -> tuple[Desired, Rendered, Plan, Applied]:
        """Apply the world; if HAProxy refuses lines of some services, apply it without these services."""
        while True:
            with self.metrics.stage("desire"):
                judged = self._judge(snapshot)
                desired = await self._desire(judged)
            with self.metrics.stage("render"):
                rendered = render(desired, self.settings, self.machine)
            with self.metrics.stage("plan"):
                plan = make_plan(observed, rendered)
            try:
                with self.metrics.stage("apply"):
                    return desired, rendered, plan, await self.dataplane.apply(plan, rendered)
            except ConfigRejectedError as error:
                self._quarantine(error, rendered, judged)
            except SwarmgateError as error:
                self.status.publish(desired, Applied(Outcome.FAILED), {}, conditions.apply_failed(str(error)))
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

    async def _desire(self, judged: Judged) -> Desired:
        surroundings = await self.read_surroundings(hosts_outside(judged))
        return build_desired(judged, self.settings, surroundings)

    def _quarantine(self, error: ConfigRejectedError, rendered: Rendered, judged: Judged) -> None:
        """Blame the services whose lines HAProxy refused.

        Raises:
            ConfigRejectedError: none of the refused lines belongs to a service that is not blamed already.
        """
        forms = {candidate.swarm.name: candidate.form for candidate in judged.candidates}
        blamed = {
            service: (forms[service], words)
            for line, words in rejected_lines(error.output).items()
            for service in rendered.owners.get(line, ())
            if service in forms and service not in self.rejected
        }
        if not blamed:
            raise error
        self.rejected |= blamed

    def _note_duration(self, started: Round, snapshot: Snapshot, plan: Plan, applied: Applied, seconds: float) -> None:
        if applied.outcome is Outcome.NOOP:
            log.debug("Reconciled", services=len(snapshot.services), outcome=applied.outcome.value)
            return
        if started.dirty_since is not None:
            self.metrics.programmed(asyncio.get_running_loop().time() - started.dirty_since)
        log.info(
            "Reconciled",
            services=len(snapshot.services),
            outcome=applied.outcome.value,
            changes=len(plan.changes) + len(plan.retirements),
            pending=len(applied.pending),
            reload_reasons=[reason.value for reason in applied.reload_reasons],
            seconds=round(seconds, 4),
        )
