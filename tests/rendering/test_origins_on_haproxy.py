"""What HAProxy refuses of the proxy's own variables is told with the name of the variable."""

from pathlib import Path
from typing import Any

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import MACHINE, desired_of, service, snapshot
from tls.authorities import fixed_certificate

from controller.blame import with_variables
from controller.endpoints import Surroundings
from controller.errors import ConfigRejectedError, StartFailedError, TemporaryError
from controller.haproxy.validate import validate
from controller.pem import read_certificate, split_pem
from models.certificates import CertificateFiles, CertificateSource
from models.settings import ProxySettings
from render.configuration import render
from render.files import Rendered

FILES = CertificateFiles(
    usable=(read_certificate("a.pem", CertificateSource.FOLDER, split_pem(fixed_certificate("a.test"))),)
)
WORLD = snapshot(
    service(),
    service("cache", {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}),
    service("named", {"reqMode": "sni", "srcPort": "8443", "port": "443", "serviceDomain": "a.com"}),
)
REFUSED = {
    "DEBUG_HTTP_FORMAT": {"debug": "true", "debug_http_format": "%[nope]"},
    "DEBUG_TCP_FORMAT": {"debug": "true", "debug_tcp_format": "%[nope]"},
    "SSL_BIND_OPTIONS": {"ssl_bind_options": "nope"},
    "SSL_BIND_CIPHERS": {"ssl_bind_ciphers": "NOPE"},
    "CA_FILE": {"ca_file": "/nowhere.pem"},
    "CRT_LIST_PATH": {"crt_list_path": "/nowhere.txt"},
    "DEFAULT_PORTS or BIND_PORTS": {"bind_ports": "81 shards 9999"},
}
OPTIONS_OF_A_SHARED_PORT = {"default_ports": "80,8443 shards 9999:ssl"}
CIPHERS_OF_A_PORT = {"default_ports": "80,443 ciphers NOPE:ssl"}


def rendered(settings: dict[str, Any]) -> Rendered:
    """Render a world with certificates, HTTP and TCP services."""
    made = ProxySettings(**settings)
    desired = desired_of(WORLD, settings=made, surroundings=Surroundings(certificates=FILES))
    return render(desired, made, MACHINE)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize(
    ("variable", "settings"),
    [
        *REFUSED.items(),
        ("DEFAULT_PORTS or BIND_PORTS", CIPHERS_OF_A_PORT),
        ("DEFAULT_PORTS or BIND_PORTS", OPTIONS_OF_A_SHARED_PORT),
    ],
)
async def test_the_variable_is_named(version: str, variable: str, settings: dict[str, Any], tmp_path: Path) -> None:
    """And no service is blamed."""
    files = rendered(settings)
    for name, content in files.files().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(content)
    with pytest.raises(ConfigRejectedError) as caught:
        await validate(haproxy_binary(version), tmp_path / "haproxy.cfg")
    told = with_variables(caught.value, files)
    assert str(told) == f"{caught.value}; see the variable {variable}"
    assert isinstance(told, ConfigRejectedError)
    assert told.output == caught.value.output


def test_a_port_that_is_taken_is_told_likewise() -> None:
    """That HAProxy only finds out when it starts."""
    files = rendered({"stats_user": "a", "stats_pass": "b", "stats_port": 81})
    number = files.config.splitlines().index("    bind *:81") + 1
    words = f"[ALERT]    (1) : Binding [haproxy.cfg:{number}] for frontend stats: cannot bind socket"
    told = with_variables(StartFailedError("HAProxy ended", output=words), files)
    assert str(told) == "HAProxy ended; see the variable STATS_PORT"


def test_what_is_no_variables_fault_stays_as_it_is() -> None:
    """Lines of services, lines of no variable, and other errors."""
    files = rendered({})
    owned = min(files.owners)
    for line in (owned, 1, 9999):
        error = ConfigRejectedError("no", output=f"[ALERT]    (1) : config : parsing [haproxy.cfg:{line}] : no")
        assert with_variables(error, files) is error
    other = TemporaryError("HAProxy does not answer")
    assert with_variables(other, files) is other
