"""A socket that leads to another one, can be made to fail, and tells what was asked: between two parts of it all."""

import re
import shutil
import socket
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Literal

Mode = Literal["faithful", "refused", "silent", "cut", "garbage"]
Address = Path | int
"""A unix socket, or a port of 127.0.0.1."""

_REQUEST_LINE = re.compile(rb"^([A-Z]+) (/\S*) HTTP/1\.1\r$", re.MULTILINE)
_CUT_AFTER = 300
"""Bytes: within the body of an answer."""
_GARBAGE = b"<html>it works</html>\n> "
"""What is said in place of each part of an answer: neither HTTP nor what HAProxy says, but with its prompt."""


class Relay:
    """Passes connections that come to ``address`` on to ``upstream``, in one of these modes.

    ``faithful`` passes on everything; ``refused`` takes no connections; ``silent`` takes them and says nothing;
    ``cut`` closes them in the middle of the answer; ``garbage`` answers with what makes no sense. A change of mode
    ends the connections there are, or silences them.

    Attributes:
        lie: gives an answer in place of the true one, after which the connection ends, or an empty one; it is told what
            the client has said so far.
    """

    def __init__(self, address: Address, upstream: Address) -> None:
        self.address = address
        self._upstream = upstream
        self._mode: Mode = "faithful"
        self._server: socket.socket | None = None
        self._open: set[socket.socket] = set()
        self._said: list[bytearray] = []
        self.lie: Callable[[bytes], bytes] = lambda _: b""

    @property
    def path(self) -> Path:
        """Its unix socket."""
        assert isinstance(self.address, Path)
        return self.address

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
        if isinstance(self.address, Path):
            self.address.unlink(missing_ok=True)
        self._server = _socket(self.address)
        self._server.bind(_kernels(self.address))
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
            upstream = _socket(self._upstream)
            try:
                upstream.connect(_kernels(self._upstream))
            except OSError:
                _close(client)
                upstream.close()
                continue
            self._open |= {client, upstream}
            said = bytearray()
            self._said.append(said)
            for source, target, answers in ((client, upstream, False), (upstream, client, True)):
                pass_on = partial(self._pass_on, source, target, said, answers=answers)
                threading.Thread(target=pass_on, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, said: bytearray, *, answers: bool) -> None:
        """Pass on what one side says; ``said`` is what the client has said."""
        passed = 0
        with suppress(OSError):
            while data := source.recv(65536):
                if not answers:
                    said += data
                if self._mode == "silent":
                    continue
                if answers and (lie := self.lie(bytes(said))):
                    target.sendall(lie)
                    break
                if self._mode == "cut" and answers:
                    data = data[: _CUT_AFTER - passed]
                if self._mode == "garbage" and answers:
                    data = _GARBAGE
                target.sendall(data)
                passed += len(data)
                if self._mode == "cut" and answers and passed >= _CUT_AFTER:
                    break
        if self._mode == "silent":  # not even that one side has given up; all are ended with the mode
            return
        for connection in (source, target):
            _close(connection)
            self._open.discard(connection)


def _socket(address: Address) -> socket.socket:
    if isinstance(address, Path):
        return socket.socket(socket.AF_UNIX)
    made = socket.socket()
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return made


def _kernels(address: Address) -> str | tuple[str, int]:
    return str(address) if isinstance(address, Path) else ("127.0.0.1", address)


def _close(connection: socket.socket) -> None:
    with suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


@contextmanager
def relaying(address: Address, upstream: Address) -> Iterator[Relay]:
    """A relay that takes connections until the end of the block."""
    relay = Relay(address, upstream)
    relay.start()
    try:
        yield relay
    finally:
        relay.stop()


@contextmanager
def relay_to(upstream: str) -> Iterator[Relay]:
    """A relay in a folder of its own, which can be mounted; its path must be short."""
    folder = Path(tempfile.mkdtemp(prefix="swarmgate-e2e-", dir="/tmp"))
    try:
        with relaying(folder / "docker.sock", Path(upstream)) as relay:
            yield relay
    finally:
        shutil.rmtree(folder)
