"""`Machine`: what the place where HAProxy runs allows, and where its sockets are."""

from dataclasses import dataclass
from pathlib import PurePath

_OWN_CONNECTIONS = 10


@dataclass(frozen=True, slots=True)
class ErrorFile:
    """A page of the operator's for one status, as a file that HAProxy can read and use."""

    status: int
    path: str


@dataclass(frozen=True, slots=True)
class Machine:
    """Facts about the machine that are written into HAProxy's configuration.

    ``maxconn`` is the most connections at once and ``fd_hard_limit`` the most file descriptors,
    ``runtime_socket`` and ``internal_socket`` are absolute paths of unix
    sockets: the first for HAProxy's runtime API, the second for HTTP requests of the controller only; those over which
    the HTTP frontend takes over what others have accepted are beside them. ``quic`` tells
    whether HAProxy speaks QUIC, which HTTP/3 needs; ``error_files`` are the operator's own error pages.
    """

    maxconn: int
    fd_hard_limit: int
    runtime_socket: str
    internal_socket: str
    quic: bool = False
    error_files: tuple[ErrorFile, ...] = ()

    @property
    def frontend_maxconn(self) -> int:
        """The most connections of one frontend: clients leave some of ``maxconn`` to the controller's requests."""
        return self.maxconn - max(1, min(self.maxconn // 10, _OWN_CONNECTIONS))

    def handover_socket(self, port: int) -> str:
        """Return the path of the unix socket where the HTTP frontend takes connections to a port over."""
        return str(PurePath(self.internal_socket).with_name(f"port{port}.sock"))
