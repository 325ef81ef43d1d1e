"""What tests need on the loopback interface: a free port, a server that says who it is, and requests."""

import asyncio
import fcntl
import http.client
import os
import random
import socket
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle
from pathlib import Path
from typing import IO, Self

_GIVEN = range(20_000, 28_000)
"""The ports for tests: below those that Swarm publishes, and those that the kernel gives to whoever asks for any."""


def free_port() -> int:
    """Return a TCP port that nobody listens on, and that is given to nobody else while this process lives.

    Each port has a byte in a file, on which its owner has a lock: so tests that run side by side never get the same
    one between this and the moment when somebody listens on it.
    """
    claims, numbers = _claims()
    for port in (next(numbers) for _ in _GIVEN):
        try:
            fcntl.lockf(claims, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, port)
            with socket.socket() as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(("", port))
        except OSError:
            continue
        return port
    raise AssertionError("no port is free")


@cache
def _claims() -> tuple[IO[bytes], Iterator[int]]:
    """Return the file of claims, and all ports in an endless row that begins anywhere."""
    path = Path(tempfile.gettempdir(), f"swarmgate-test-ports-{os.getuid()}")
    first = random.SystemRandom().choice(_GIVEN)
    return path.open("ab"), cycle([*range(first, _GIVEN.stop), *range(_GIVEN.start, first)])


class QuietHandler(BaseHTTPRequestHandler):
    """Says nothing of the requests it gets."""

    def log_message(self, *_: object) -> None:
        """Keep the test's output clean."""


class QuietServer(ThreadingHTTPServer):
    """Says nothing of connections that fail."""

    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """Say nothing when HAProxy closes an idle connection, or a health check hangs up."""


@contextmanager
def serving(server: QuietServer) -> Iterator[None]:
    """Have a server answer while the block runs."""
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield
    finally:
        server.shutdown()
        thread.join()


class Slowness:
    """How long the answers to paths that end in ``/slow`` take: until they are let go, or ``limit`` seconds."""

    def __init__(self, limit: float = 20) -> None:
        self._limit = limit
        self._asked = threading.Semaphore(0)
        self._goes_on = threading.Event()

    async def until_asked(self, requests: int = 1) -> None:
        """Wait until so many more requests have come."""
        for _ in range(requests):
            assert await asyncio.to_thread(self._asked.acquire, timeout=10)

    def let_go(self) -> None:
        """Have all answers end, those of the future too."""
        self._goes_on.set()

    def hold(self) -> None:
        """Take as long as it is to take."""
        self._asked.release()
        self._goes_on.wait(self._limit)


@contextmanager
def http_server(body: str, slowness: Slowness | None = None, *, address: str = "127.0.0.1") -> Iterator[int]:
    """Serve ``body`` for every request at an address while the block runs; the port is yielded.

    Of the answer to a path that ends in ``/slow`` the body comes a while after the headers (half a second unless told
    otherwise), and the connection ends with it.
    """
    held = slowness or Slowness(0.5)

    class Handler(QuietHandler):
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
                held.hold()
            self.wfile.write(content)

    with QuietServer((address, 0), Handler) as server, serving(server):
        yield server.server_port


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


async def until_refused(port: int) -> None:
    """Wait until nobody listens on a port any more."""
    async with asyncio.timeout(10):
        while await _is_open(port):  # noqa: ASYNC110 - HAProxy tells nobody
            await asyncio.sleep(0.01)


async def _is_open(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except ConnectionError:
        return False
    writer.close()
    return True
