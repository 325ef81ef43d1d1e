"""A Docker API that can be made to fail, and tells what it was asked: a socket that leads to the real one."""

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Literal

Mode = Literal["faithful", "refused", "silent", "cut"]

_REQUEST_LINE = re.compile(rb"^([A-Z]+) (/\S*) HTTP/1\.1\r$", re.MULTILINE)
_CUT_AFTER = 300
"""Bytes: within the body of an answer."""


class Relay:
    """Passes connections on to a Docker API, in one of these modes.

    ``faithful`` passes on everything; ``refused`` takes no connections; ``silent`` takes them and says nothing;
    ``cut`` closes them in the middle of the answer. A change of mode ends the connections there are, or silences them.
    """

    def __init__(self, folder: Path, upstream: str) -> None:
        self.path = folder / "docker.sock"
        self._upstream = upstream
        self._mode: Mode = "faithful"
        self._server: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._said: list[bytearray] = []

    @property
    def mode(self) -> Mode:
        """How it behaves."""
        return self._mode

    @mode.setter
    def mode(self, mode: Mode) -> None:
        self._mode = mode
        if mode != "silent":
            self._disconnect()
        if mode == "refused":
            self.stop()
        elif self._server is None:
            self.start()

    def requests(self) -> list[str]:
        """What was asked so far, as ``METHOD /path?query`` without the version of the API."""
        lines = [line for said in tuple(self._said) for line in _REQUEST_LINE.findall(bytes(said))]
        return [f"{method.decode()} {re.sub(r'^/v[0-9.]+', '', path.decode())}" for method, path in lines]

    def start(self) -> None:
        """Take connections from now on."""
        self.path.unlink(missing_ok=True)
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self.path))
        self._server.listen()
        threading.Thread(target=self._accept, args=(self._server,), daemon=True).start()

    def stop(self) -> None:
        """Take no more connections, and end those there are."""
        if self._server is not None:
            _close(self._server)
            self._server = None
        self._disconnect()

    def _disconnect(self) -> None:
        for connection in tuple(self._open):
            _close(connection)

    def _accept(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            docker = socket.socket(socket.AF_UNIX)
            docker.connect(self._upstream)
            self._open |= {client, docker}
            said = bytearray()
            self._said.append(said)
            threading.Thread(target=self._pass_on, args=(client, docker, said), daemon=True).start()
            threading.Thread(target=self._pass_on, args=(docker, client, None), daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, said: bytearray | None) -> None:
        """Pass on what one side says; ``said`` takes in what the client does, and is None for what Docker answers."""
        answers = said is None
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if said is not None:
                    said += data
                if self._mode == "silent":
                    continue
                if self._mode == "cut" and answers:
                    data = data[: _CUT_AFTER - passed]
                target.sendall(data)
                passed += len(data)
                if self._mode == "cut" and answers and passed >= _CUT_AFTER:
                    break
        for connection in (source, target):
            _close(connection)
            self._open.discard(connection)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def relay_to(upstream: str) -> Iterator[Relay]:
    """A relay in a folder of its own, which can be mounted; its path must be short."""
    folder = Path(tempfile.mkdtemp(prefix="swarmgate-e2e-", dir="/tmp"))
    relay = Relay(folder, upstream)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()
        shutil.rmtree(folder)
