"""``reqMode=sni`` on a real HAProxy: who answers a TLS client, told by the certificate that it is shown."""

import contextlib
import http.client
import json
import shutil
import socket
import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import MACHINE, desired_of, service, snapshot
from cryptography import x509
from haproxy.loopback import free_port
from roles.processes import eventually
from tls.authorities import Authority
from tls.clients import context
from tls.servers import echo_server, secure_server
from traffic import running_haproxy

from controller.endpoints import Surroundings
from controller.pem import read_certificate, split_pem
from models.certificates import CertificateFiles, CertificateSource
from models.proxy import Desired
from models.settings import ProxySettings
from models.snapshot import SwarmService
from render.configuration import render

PROXY = "proxy"
"""Who answers where the proxy itself ends TLS."""
WHO = ("exact", "wild", "regex", "rest", "guarded", "limited")
HERE = "127.0.0.1"


@dataclass(frozen=True)
class Site:
    """A running HAProxy: its ports, and whose certificate has which serial number."""

    folder: Path
    http: int
    https: int
    proxied: int
    pure: int
    everything: int
    owners: dict[int, str]

    @contextlib.contextmanager
    def connected(
        self,
        port: int,
        name: str | None,
        *,
        source: str = HERE,
        before: bytes = b"",
        client: ssl.SSLContext | None = None,
    ) -> Iterator[ssl.SSLSocket]:
        """Shake hands with whoever answers for a name; ``before`` is sent first, as it is."""
        opened = socket.create_connection((HERE, port), timeout=10, source_address=(source, 0))
        opened.sendall(before)
        with opened, (client or context()).wrap_socket(opened, server_hostname=name) as tls:
            yield tls

    def answering(self, port: int, name: str | None, *, source: str = HERE, before: bytes = b"") -> str | None:
        """Return who answers; None if the connection is closed."""
        try:
            with self.connected(port, name, source=source, before=before) as tls:
                shown = tls.getpeercert(binary_form=True)
                assert shown is not None
                return self.owners[x509.load_der_x509_certificate(shown).serial_number]
        except (ssl.SSLError, ConnectionError):
            return None

    def asked(
        self, port: int, name: str, path: str = "/", *, host: str = "", source: str = HERE, before: bytes = b""
    ) -> tuple[int, dict[str, str]]:
        """Send a request by HTTPS, and return its status and what the origin was sent."""
        with self.connected(port, name, source=source, before=before) as tls:
            tls.sendall(f"GET {path} HTTP/1.1\r\nHost: {host or name}\r\nConnection: close\r\n\r\n".encode())
            response = http.client.HTTPResponse(tls)
            response.begin()
            body = response.read()
            return response.status, json.loads(body) if body.startswith(b"{") else {}

    def runtime(self, command: str) -> str:
        """Say a command on the runtime socket and return the answer."""
        with socket.socket(socket.AF_UNIX) as opened:
            opened.connect(str(self.folder / Path(MACHINE.runtime_socket).name))
            opened.sendall(f"{command}\n".encode())
            opened.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: opened.recv(65536), b"")).decode()


def services_of(site: Site, origin: int, servers: dict[str, int]) -> Iterator[SwarmService]:
    """Return the world of all tests here."""

    def sni(name: str, **labels: str) -> SwarmService:
        target = {"reqMode": "sni", "port": str(servers[name]), "srcPort": str(site.https)}
        return service(name, target | {key.replace("_", "."): value for key, value in labels.items()}, vips=vips)

    vips = ["127.0.0.1/8"]
    web = {"port": str(origin), "serviceDomain": "web.example.com"}
    yield service("web", web, vips=vips)
    yield service("path", {"port": str(origin), "servicePath": "/path"}, vips=vips)
    yield service("by-port", {"port": str(origin), "servicePath": "/port", "srcPort": str(site.https)}, vips=vips)
    yield service(
        "by-https-port", {"httpsPort": str(origin), "servicePath": "/h", "srcHttpsPort": str(site.https)}, vips=vips
    )
    yield service("clients", web | {"servicePath": "/clients", "verifyClientSsl": "true"}, vips=vips)
    yield service("friends", web | {"servicePath": "/friends", "allowedSrc": "127.0.0.7"}, vips=vips)
    yield sni(
        "exact",
        serviceDomain="exact.example.com",
        port_1=str(servers["exact"]),
        port_2=str(servers["exact"]),
        srcPort_2=str(site.pure),
        port_3=str(servers["exact"]),
        srcPort_3=str(site.everything),
        port_4=str(servers["exact"]),
        srcPort_4=str(site.proxied),
    )
    yield sni("wild", serviceDomain="*.example.com", checkTcp="true")
    yield sni("regex", servicePath=r"^r[0-9]+\.,^s[0-9]+$", pathType="req_ssl_sni -i -m reg")
    yield sni("rest", srcPort=str(site.everything))
    yield sni("guarded", serviceDomain="guarded.example.com", allowedSrc="127.0.0.7")
    yield sni("limited", serviceDomain="limited.example.com", rateLimit="2/1m")


def desired(
    site: Site, authority: Authority, services: Iterator[SwarmService], own: str
) -> tuple[Desired, ProxySettings]:
    """Return what is desired of these services, all of which must be acceptable."""
    (site.folder / "ca.pem").write_text(authority.pem)
    settings = ProxySettings(
        default_ports=f"{site.http},{site.https}:ssl,{site.proxied} accept-proxy ssl-min-ver TLSv1.3:ssl",
        ca_file=site.folder / "ca.pem",
    )
    certificate = read_certificate("own", CertificateSource.FOLDER, split_pem(own))
    surroundings = Surroundings(
        networks=(ip_network("127.0.0.0/8"),),
        certificates=CertificateFiles(usable=(certificate,)),
        now=datetime.now(UTC),
    )
    desired = desired_of(snapshot(*services), settings=settings, surroundings=surroundings)
    wrong = [fact.message for facts in desired.conditions.values() for fact in facts if fact.status != "True"]
    assert not wrong
    return desired, settings


@pytest.fixture(scope="module", params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
def site(request: pytest.FixtureRequest, authority: Authority) -> Iterator[Site]:
    """Each HAProxy in turn, started once for all tests."""
    binary = haproxy_binary(str(request.param))
    folder = Path(tempfile.mkdtemp(prefix="sgsni-", dir="/tmp"))
    issued = {name: authority.issue(f"{name}.example.com") for name in (*WHO, PROXY)}
    owners = {each.serial: name for name, each in issued.items()}
    site = Site(folder, free_port(), free_port(), free_port(), free_port(), free_port(), owners)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, folder)
        servers = {name: stack.enter_context(secure_server(issued[name], folder / name)) for name in WHO}
        origin = stack.enter_context(echo_server())
        wanted, settings = desired(site, authority, services_of(site, origin, servers), issued[PROXY].pem)
        http = stack.enter_context(running_haproxy(binary, render(wanted, settings, MACHINE), folder))
        eventually(lambda: _listens(site.everything), "HAProxy listens")
        yield replace(site, http=http)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection((HERE, port), timeout=1):
        return True
    return False


@pytest.mark.parametrize(
    ("name", "who"),
    [
        pytest.param("exact.example.com", "exact", id="name"),
        pytest.param("EXACT.Example.com", "exact", id="letter case"),
        pytest.param("other.example.com", "wild", id="ending"),
        pytest.param("a.b.example.com", "wild", id="ending further away"),
        pytest.param("r1.example.com", "wild", id="ending before test"),
        pytest.param("r1.example.org", "regex", id="first test"),
        pytest.param("s22", "regex", id="second test"),
        pytest.param("S22", "regex", id="test in capitals"),
        pytest.param("web.example.com", PROXY, id="name of an HTTP service within the ending"),
        pytest.param("example.com", PROXY, id="not an ending of its own"),
        pytest.param("reg", PROXY, id="no pattern, the word reg"),
        pytest.param("-i", PROXY, id="no pattern, the word -i"),
        pytest.param("-m", PROXY, id="no pattern, the word -m"),
        pytest.param("elsewhere.org", PROXY, id="nobody's name"),
        pytest.param(None, PROXY, id="no name"),
    ],
)
def test_the_name_decides_on_a_port_shared_with_https(site: Site, name: str | None, who: str) -> None:
    """What nobody has passed through is ended by the proxy, as without any of this."""
    assert site.answering(site.https, name) == who


@pytest.mark.parametrize(
    ("name", "who"),
    [
        pytest.param("exact.example.com", "exact", id="its name"),
        pytest.param("other.example.com", None, id="a name of another port"),
        pytest.param(f"exact.example.com#{80}", None, id="a forged key"),
        pytest.param(None, None, id="no name"),
    ],
)
def test_what_nobody_claims_is_closed_on_a_port_of_its_own(site: Site, name: str | None, who: str | None) -> None:
    """There is nobody else who could answer."""
    assert site.answering(site.pure, name) == who


@pytest.mark.parametrize("name", ["other.example.com", "reg", None])
def test_a_service_without_names_gets_the_rest(site: Site, name: str | None) -> None:
    """Also clients that ask for no name."""
    assert site.answering(site.everything, name) == "rest"
    assert site.answering(site.everything, "exact.example.com") == "exact"


@pytest.mark.parametrize("port", ["https", "pure"])
def test_what_is_not_tls_is_closed(site: Site, port: str) -> None:
    """At once, and without an answer."""
    with socket.create_connection((HERE, getattr(site, port)), timeout=3) as opened:
        opened.sendall(b"GET / HTTP/1.1\r\nHost: exact.example.com\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            assert opened.recv(100) == b""


@pytest.mark.parametrize("first", [3, 60, 300])
def test_a_name_that_comes_in_pieces_counts(site: Site, first: int) -> None:
    """Hellos of today's browsers are longer than a packet."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context(alpn=("x" * 200, "http/1.1")).wrap_bio(incoming, outgoing, server_hostname="exact.example.com")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    hello = outgoing.read()
    assert len(hello) > first
    with socket.create_connection((HERE, site.https), timeout=10) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sendall(hello[:first])
        source = f"src={HERE}:{opened.getsockname()[1]} "
        eventually(
            lambda: f"{source}fe=service_{site.https}" in site.runtime("show sess"), "HAProxy has the first piece"
        )
        opened.sendall(hello[first:])
        while True:
            incoming.write(opened.recv(65536))
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                continue
            break
    shown = tls.getpeercert(binary_form=True)
    assert shown is not None
    assert site.owners[x509.load_der_x509_certificate(shown).serial_number] == "exact"


def test_requests_get_through(site: Site) -> None:
    """To a service that ends TLS itself, and by way of the proxy to one that does not."""
    assert site.asked(site.https, "exact.example.com") == (200, {})
    assert site.asked(site.https, "web.example.com")[0] == 200


def test_https_of_the_proxy_is_what_it_was(site: Site) -> None:
    """Client addresses, the port that was meant, restrictions by address, and HTTP/2."""
    status, headers = site.asked(site.https, "web.example.com", source="127.0.0.7")
    assert status == 200
    assert headers["x-forwarded-for"] == "127.0.0.7"
    assert headers["x-forwarded-proto"] == "https"
    assert site.asked(site.https, "nobody.org", "/port")[0] == 200
    assert site.asked(site.https, "nobody.org", "/h")[0] == 200
    assert site.asked(site.https, "web.example.com", "/friends", source="127.0.0.7")[0] == 200
    assert site.asked(site.https, "web.example.com", "/friends")[0] == 403
    with site.connected(site.https, "web.example.com", client=context(alpn=("h2", "http/1.1"))) as tls:
        assert tls.selected_alpn_protocol() == "h2"


def test_client_certificates_are_asked_for_as_ever(site: Site, authority: Authority, tmp_path: Path) -> None:
    """By the proxy, for what it ends."""
    assert site.asked(site.https, "web.example.com", "/clients")[0] == 403
    (tmp_path / "ann.pem").write_text(authority.issue("ann").pem)
    client = context(certificate=tmp_path / "ann.pem")
    with site.connected(site.https, "web.example.com", client=client) as tls:
        tls.sendall(b"GET /clients HTTP/1.1\r\nHost: web.example.com\r\n\r\n")
        assert tls.recv(100).split()[1] == b"200"


def test_an_address_that_comes_by_proxy_protocol_is_the_clients(site: Site) -> None:
    """On a port with ``accept-proxy``, whoever ends TLS in the end."""
    before = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
    assert site.asked(site.proxied, "web.example.com", before=before)[1]["x-forwarded-for"] == "192.0.2.7"
    assert site.answering(site.proxied, "exact.example.com", before=before) == "exact"
    assert site.answering(site.proxied, "exact.example.com") is None


def test_what_a_port_asks_of_tls_is_asked_of_what_the_proxy_ends(site: Site) -> None:
    """And of nothing else: what is passed through is between others."""
    before = b"PROXY TCP4 192.0.2.7 192.0.2.1 40000 443\r\n"
    old = context()
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with site.connected(site.https, "web.example.com", client=old) as tls:
        assert tls.version() == "TLSv1.2"
    with (
        pytest.raises((ssl.SSLError, ConnectionError)),
        site.connected(site.proxied, "web.example.com", before=before, client=old),
    ):
        pass
    with site.connected(site.proxied, "exact.example.com", before=before, client=old) as tls:
        assert tls.version() == "TLSv1.2"


@pytest.mark.parametrize("host", ["exact.example.com", "OTHER.example.com:443", "r1.example.org"])
def test_a_request_for_a_name_that_is_passed_through_is_misdirected(site: Site, host: str) -> None:
    """A browser that sends it over another name's connection, as HTTP/2 allows, tries again over one of its own."""
    assert site.asked(site.https, "web.example.com", "/path", host=host)[0] == 421
    assert site.asked(site.https, "nobody.org", "/path")[0] == 200


def test_the_same_names_are_not_misdirected_by_http(site: Site) -> None:
    """There the port is another one."""
    with socket.create_connection((HERE, site.http), timeout=5) as opened:
        opened.sendall(b"GET /path HTTP/1.1\r\nHost: exact.example.com\r\n\r\n")
        assert opened.recv(100).split()[1] == b"200"


def test_restrictions_hold(site: Site) -> None:
    """By the address of the client, and by how often it comes."""
    assert site.answering(site.https, "guarded.example.com", source="127.0.0.7") == "guarded"
    assert site.answering(site.https, "guarded.example.com") is None
    answers = [site.answering(site.https, "limited.example.com", source="127.0.0.8") for _ in range(3)]
    assert answers == ["limited", "limited", None]
    assert site.answering(site.https, "limited.example.com", source="127.0.0.9") == "limited"
