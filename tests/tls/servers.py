"""Servers on loopback: HTTPS ones, whose certificates tell who answered, and one that tells what it was sent."""

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haproxy.loopback import QuietHandler, QuietServer, serving
from tls.authorities import Issued


class _Handler(QuietHandler):
    def do_GET(self) -> None:  # noqa: N802 - the name is the library's
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()


@contextmanager
def secure_server(issued: Issued, folder: Path) -> Iterator[int]:
    """Answer by HTTPS on a port of loopback, which is yielded."""
    folder.mkdir()
    (folder / "server.pem").write_text(issued.pem)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    with QuietServer(("127.0.0.1", 0), _Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        with serving(server):
            yield server.server_port


@contextmanager
def echo_server() -> Iterator[int]:
    """Answer by HTTP with the headers of each request, as JSON with names in lower case; its port is yielded."""

    class Handler(_Handler):
        def do_GET(self) -> None:  # noqa: N802 - the name is the library's
            body = json.dumps({name.lower(): value for name, value in self.headers.items()}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    with QuietServer(("127.0.0.1", 0), Handler) as server, serving(server):
        yield server.server_port
