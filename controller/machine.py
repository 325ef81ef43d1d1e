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
    return machine_at(settings, dataplane.runtime_socket, dataplane.internal_socket, dataplane.process.binary)


def machine_at(settings: ProxySettings, runtime_socket: Path, internal_socket: Path, binary: Path | None) -> Machine:
    """Return the same for a program and sockets; without a program (None) there is nothing that it cannot do."""
    limits = machine_limits()
    return Machine(
        maxconn=settings.maxconn or limits.maxconn,
        fd_hard_limit=limits.fd_hard_limit,
        runtime_socket=str(runtime_socket),
        internal_socket=str(internal_socket),
        quic=settings.enable_h3 and (binary is None or _can_quic(binary)),
        error_files=find_error_files(settings.errorfiles_dir),
    )


def _can_quic(binary: Path) -> bool:
    if has_quic(binary):
        return True
    log.warning("ENABLE_H3 has no effect: this HAProxy, or its TLS library, does not speak QUIC", haproxy=str(binary))
    return False
