"""What may be answered to a request of a lifetime, whether it comes by HTTP, by TLS or to a port of a service."""

from dataclasses import replace

from lifetime.asking import NO_ANSWER, Request
from lifetime.connections import Connections, NameClaim, shown_for
from lifetime.reference import Expected, Reference
from lifetime.world import Ports

from controller.judging import Judged
from models.certificates import CertificateList

CLOSED = (Expected(NO_ANSWER),)


class Rules:
    """The rules for one world, in plain words; what clients ask for is counted."""

    def __init__(self, judged: Judged, ports: Ports, certificates: CertificateList) -> None:
        self._reference = Reference(judged.candidates)
        self._connections = Connections(self._reference, https=ports.https, http=ports.http)
        self._ports = ports
        self._listed = [entry.certificate for entry in certificates.listed] or [certificates.default]

    def expected(self, request: Request, client: str) -> tuple[Expected, ...] | None:
        """Return all that may be answered; None if there is no telling, or a server is not understood."""
        allowed, speaks_tls = self._allowed(request, client)
        servers = {server for each in allowed or () for server in each.servers}
        is_understood = all(server.endswith(f":{self._ports.secure}") == speaks_tls for server in servers)
        return allowed if is_understood else None

    def _allowed(self, request: Request, client: str) -> tuple[tuple[Expected, ...] | None, bool]:
        """Return the same whatever the servers speak, and whether they are spoken to by TLS."""
        if request.port == self._ports.tcp:
            servers = self._connections.servers_of_port(request.port, request.place)
            return None if servers is None else _passed(servers), False
        if not request.secure:
            return self._reference.expected(request, client), False
        taker = self._connections.taker(request.port, request.host)
        if isinstance(taker, NameClaim):
            return None if taker.is_restricted else _passed(taker.servers), True
        if taker is None:
            return CLOSED, True
        shown = shown_for(request.host, self._listed)
        allowed = self._reference.expected(request, client)
        return allowed and tuple(replace(each, certificates=shown) for each in allowed), False


def _passed(servers: frozenset[str]) -> tuple[Expected, ...]:
    return (Expected(200, servers=servers),) if servers else CLOSED
