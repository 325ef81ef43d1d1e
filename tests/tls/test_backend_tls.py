"""``sslVerifyCa``: requests go by TLS to servers that prove who they are, and to no others."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from roles.processes import eventually, plain
from tls.authorities import Authority, Issued
from tls.conftest import MakeSite


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Say nothing when HAProxy ends a handshake."""


@contextmanager
def secure_server(issued: Issued, folder: Path) -> Iterator[int]:
    """Answer by HTTPS on a port of loopback, which is yielded."""
    folder.mkdir()
    (folder / "server.pem").write_text(issued.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with _Server(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def servers(authority: Authority, folder: Path) -> Iterator[dict[str, int]]:
    """Servers with a right certificate, one for another host, and one of another authority."""
    with (
        secure_server(authority.issue("localhost"), folder / "right") as right,
        secure_server(authority.issue("other.example"), folder / "other") as other,
        secure_server(Authority.new("Somebody else").issue("localhost"), folder / "foreign") as foreign,
    ):
        yield {"right": right, "other": other, "foreign": foreign}


def test_only_servers_that_prove_who_they_are_get_requests(
    make_site: MakeSite, authority: Authority, servers: dict[str, int]
) -> None:
    """The certificate must be of the authority and for the host; without the authority nothing is sent."""

    def labels(path: str, port: int, authority_name: str = "internal.pem") -> dict[str, object]:
        return plain(port, path) | {"sslVerifyCa": authority_name, "outboundHostname": "localhost"}

    site = make_site(
        {"ca/internal.pem": authority.pem},
        {name: labels(f"/{name}", port) for name, port in servers.items()}
        | {"unknown": labels("/unknown", servers["right"], "nothing.pem")},
    )

    eventually(lambda: site.proxy.status("/right") == 200, "the right one answers")
    assert site.proxy.status("/other") == 503
    assert site.proxy.status("/foreign") == 503
    assert site.proxy.status("/unknown") == 503
    assert site.proxy.condition("unknown", "ResolvedRefs")["reason"] == "SecretNotFound"
    assert site.proxy.condition("unknown", "Programmed")["reason"] == "FailedClosed"
