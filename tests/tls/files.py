"""Files of worlds with a certificate, for a HAProxy that a test drives without a controller."""

from datetime import UTC, datetime
from ipaddress import ip_network

from builders import desired_of, snapshot
from haproxy.loopback import free_port
from tls.authorities import Authority

from controller.changes import Plan, ReloadReason
from controller.endpoints import Surroundings
from controller.haproxy.dataplane import HAProxyDataplane
from controller.pem import read_certificate, split_pem
from models.certificates import CertificateFiles, CertificateSource
from models.machine import Machine
from models.settings import ProxySettings
from models.snapshot import SwarmService
from render.configuration import render
from render.files import Rendered

RELOAD = Plan(reload_reasons=(ReloadReason.SETTINGS,))
HERE = "127.0.0.1"


class Files:
    """Makes the files of worlds, whose proxy listens on the ports ``http`` and ``https``."""

    def __init__(self, dataplane: HAProxyDataplane, authority: Authority, *, maxconn: int) -> None:
        self.http, self.https = free_port(), free_port()
        own = read_certificate("own", CertificateSource.FOLDER, split_pem(authority.issue("proxy.example.com").pem))
        self._surroundings = Surroundings(
            networks=(ip_network("127.0.0.0/8"),),
            certificates=CertificateFiles(usable=(own,)),
            now=datetime.now(UTC),
        )
        self._machine = Machine(
            maxconn=maxconn,
            fd_hard_limit=4096,
            runtime_socket=str(dataplane.runtime_socket),
            internal_socket=str(dataplane.runtime_socket.with_name("internal.sock")),
        )

    def of(self, *services: SwarmService, **given: str) -> Rendered:
        """Return the files of a world; ``given`` are more settings."""
        settings = ProxySettings(default_ports=f"{self.http},{self.https}:ssl", **given)
        desired = desired_of(snapshot(*services), settings=settings, surroundings=self._surroundings)
        return render(desired, settings, self._machine)
