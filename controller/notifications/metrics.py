"""DFSL's metrics, under its names."""

from prometheus_client import CollectorRegistry, Gauge

_SERVICE = "swarm_listener"


class DockerFlowMetrics:
    """``docker_flow_error`` and ``docker_flow_service_count``.

    The former only ever grows, but is no `Counter`: one of those would be called ``docker_flow_error_total``.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._errors = Gauge(
            "docker_flow_error", "Failures by operation, ever growing.", ["service", "operation"], registry=registry
        )
        self._services = Gauge("docker_flow_service_count", "Services that opted in.", ["service"], registry=registry)
        self._services.labels(_SERVICE).set(0)

    def failed(self, operation: str) -> None:
        """Count a failure."""
        self._errors.labels(_SERVICE, operation).inc()

    def services(self, count: int) -> None:
        """Note how many services there are."""
        self._services.labels(_SERVICE).set(count)
