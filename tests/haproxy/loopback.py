"""What tests need on the loopback interface: a free port, a server that says who it is, and requests."""

import http.client
import socket
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


def free_port() -> int:
    """Return a TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing when HAProxy closes an idle connection, or a health check hangs up."""


@contextmanager
def http_server(body: str) -> Iterator[int]:
    """Serve ``body`` for every request while the block runs; the port is yielded.

    Of the answer to a path that ends in ``/slow`` the body comes half a second after the headers, and the
    connection ends with it.
    """

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            content = body.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            if self.path.endswith("/slow"):
                self.send_header("Connection", "close")
            self.end_headers()
            if self.path.endswith("/slow"):
                threading.Event().wait(0.5)
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with _Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


def get(port: int, path: str, *, timeout: float = 10.0) -> tuple[int, str]:
    """Request ``path`` over a connection of its own and return status and body."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    finally:
        connection.close()


class Load:
    """Requests one after the other from a few threads, for as long as the block runs."""

    def __init__(self, port: int, path: str, *, threads: int = 2) -> None:
        self.answers: Counter[tuple[int, str]] = Counter()
        self.errors: list[str] = []
        self._port, self._path = port, path
        self._done = threading.Event()
        self._threads = [threading.Thread(target=self._run, daemon=True) for _ in range(threads)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                self.answers[get(self._port, self._path)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))

    @property
    def lost(self) -> list[str]:
        """Requests that were not answered as they should be."""
        return self.errors + [f"{status} x{count}" for (status, _), count in self.answers.items() if status != 200]
