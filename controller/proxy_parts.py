"""What there is of a proxy to be shown and steered from outside."""

from collections.abc import Callable
from dataclasses import dataclass

from controller.by_settings import Declarations
from controller.haproxy.dataplane import HAProxyDataplane
from controller.history import History
from controller.http.answers.probes import Readiness
from controller.metrics import Metrics
from controller.status import StatusStore
from models.settings import ProxySettings


@dataclass(frozen=True, slots=True)
class ProxyParts:
    """The parts of a running proxy; ``forget`` makes the next reconcile ask HAProxy anew what it runs.

    ``staleness`` is in seconds; ``converged`` tells whether HAProxy has run the whole world once.
    """

    settings: ProxySettings
    declarations: Declarations
    dataplane: HAProxyDataplane
    status: StatusStore
    metrics: Metrics
    history: History
    readiness: Callable[[], Readiness]
    staleness: Callable[[], float]
    converged: Callable[[], bool]
    mark_dirty: Callable[[str], None]
    forget: Callable[[], None]
