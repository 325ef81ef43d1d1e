"""Finding out what the machine allows HAProxy, and what the operator has put there for it."""

from pathlib import Path

import structlog

from controller.error_files import find_error_files
from controller.haproxy.binary import has_quic
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.limits import machine_limits
from models.machine import Machine
from models.settings import ProxySettings

log = structlog.get_logger()


def machine_for(settings: ProxySettings, dataplane: HAProxyDataplane) -> Machine:
    """Return the facts that the configuration of a HAProxy depends on."""
    limits = machine_limits()
    return Machine(
        maxconn=settings.maxconn or limits.maxconn,
        fd_hard_limit=limits.fd_hard_limit,
        runtime_socket=str(dataplane.runtime_socket),
        internal_socket=str(dataplane.internal_socket),
        quic=settings.enable_h3 and _can_quic(dataplane.process.binary),
        error_files=find_error_files(settings.errorfiles_dir),
    )


def _can_quic(binary: Path) -> bool:
    if has_quic(binary):
        return True
    log.warning("ENABLE_H3 has no effect: this HAProxy, or its TLS library, does not speak QUIC", haproxy=str(binary))
    return False
