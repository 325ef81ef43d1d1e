"""Metrics: every one of them, declared once. Labels are bounded: never a host, a path or an address."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from time import perf_counter

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from controller.changes import Applied, Outcome, ReloadReason
from controller.published import ReplicaState
from models.certificates import CertificateList
from models.conditions import ConditionType

STAGES = ("source", "observe", "desire", "render", "plan", "apply")
_FAST = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


disable_created_metrics()  # type: ignore[no-untyped-call]  # it doubles the series and tells nothing


class SharedMetrics:
    """The metrics that both roles have, in a registry of one process; ``stages`` are those that a round has.

    All label values that are known beforehand start at 0, so that ``rate()`` works from the first scrape.
    """

    def __init__(self, stages: Iterable[str]) -> None:
        self.registry = CollectorRegistry()
        self._stages = Histogram(
            "swarmgate_reconcile_stage_duration_seconds",
            "Time spent in each stage of a reconcile.",
            ["stage"],
            buckets=_FAST,
            registry=self.registry,
        )
        self._staleness = Gauge(
            "swarmgate_source_staleness_seconds",
            "Time since the source of the world was last read in full; infinite before the first time.",
            registry=self.registry,
        )
        for stage in stages:
            self._stages.labels(stage)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Measure the time spent in one stage (one of `STAGES`)."""
        started = perf_counter()
        try:
            yield
        finally:
            self._stages.labels(name).observe(perf_counter() - started)

    def watch_staleness(self, seconds: Callable[[], float]) -> None:
        """Have the staleness of the source computed at each scrape."""
        self._staleness.set_function(seconds)


class ListenerMetrics(SharedMetrics):
    """The listener's metrics."""

    def __init__(self) -> None:
        super().__init__(("source",))
        self._replicas = Gauge(
            "swarmgate_replicas",
            "Proxies that ask this listener: converged, awaited (they will converge), or absent (neither).",
            ["state"],
            registry=self.registry,
        )

    def watch_replicas(self, replicas: Callable[[], Iterable[ReplicaState]]) -> None:
        """Have the proxies counted by state at each scrape."""
        for state in ("converged", "awaited", "absent"):
            self._replicas.labels(state).set_function(partial(_count, replicas, state))


def _count(replicas: Callable[[], Iterable[ReplicaState]], state: str) -> int:
    return sum(_state(replica) == state for replica in replicas())


def _state(replica: ReplicaState) -> str:
    return "converged" if replica.converged else "awaited" if replica.awaited else "absent"


class Metrics(SharedMetrics):
    """The proxy's metrics."""

    def __init__(self) -> None:
        super().__init__(STAGES)
        self._reconciles = Counter(
            "swarmgate_reconcile",
            "Reconciles by how HAProxy was updated.",
            ["outcome"],
            registry=self.registry,
        )
        self._programmed = Histogram(
            "swarmgate_change_to_programmed_seconds",
            "Time from noticing a change to HAProxy running it.",
            buckets=_FAST,
            registry=self.registry,
        )
        self._services = Gauge(
            "swarmgate_services",
            "Services by condition, status and reason.",
            ["condition", "status", "reason"],
            registry=self.registry,
        )
        self._reloads = Counter(
            "swarmgate_haproxy_reloads",
            "Reloads of HAProxy by what made them unavoidable.",
            ["reason"],
            registry=self.registry,
        )
        self._last_attempt = Gauge(
            "swarmgate_reconcile_last_attempt_timestamp_seconds",
            "When the last reconcile began; 0 before the first one.",
            registry=self.registry,
        )
        self._last_success = Gauge(
            "swarmgate_reconcile_last_success_timestamp_seconds",
            "When a reconcile last ended well; 0 before the first time.",
            registry=self.registry,
        )
        self._old_workers = Gauge(
            "swarmgate_haproxy_old_workers",
            "Former HAProxy workers that still end their connections.",
            registry=self.registry,
        )
        self._not_after = Gauge(
            "swarmgate_certificate_not_after_timestamp_seconds",
            "When a certificate expires.",
            ["certificate"],
            registry=self.registry,
        )
        self._rejected = Gauge(
            "swarmgate_certificates_rejected",
            "Certificates that cannot be used.",
            registry=self.registry,
        )
        for outcome in Outcome:
            self._reconciles.labels(outcome.value)
        for reason in ReloadReason:
            self._reloads.labels(reason.value)

    def attempted(self) -> None:
        """Note that a reconcile begins."""
        self._last_attempt.set_to_current_time()

    def reconciled(self, applied: Applied) -> None:
        """Note how a reconcile ended."""
        self._reconciles.labels(applied.outcome.value).inc()
        for reason in applied.reload_reasons:
            self._reloads.labels(reason.value).inc()
        if applied.outcome is not Outcome.FAILED:
            self._last_success.set_to_current_time()

    def programmed(self, seconds: float) -> None:
        """Note the time from noticing a change to HAProxy running it."""
        self._programmed.observe(seconds)

    def services(self, counts: dict[tuple[str, str, str], int]) -> None:
        """Replace the numbers of services by condition, status and reason."""
        self._services.clear()
        for kind in ConditionType:
            self._services.labels(kind.value, "True", kind.value).set(0)
        for labels, count in counts.items():
            self._services.labels(*labels).set(count)

    def certificates(self, certificates: CertificateList) -> None:
        """Replace when certificates expire, and how many cannot be used."""
        self._not_after.clear()
        for entry in certificates.listed:
            self._not_after.labels(entry.certificate.id).set(entry.certificate.not_after.timestamp())
        self._rejected.set(len(certificates.rejected))

    def old_workers(self, count: int) -> None:
        """Note how many former workers are still there."""
        self._old_workers.set(count)
