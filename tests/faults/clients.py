"""Clients of a proxy that ask all the time, and check every answer: nobody may notice that something is wrong."""

import http.client
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Self

from roles.processes import eventually

BODY = "hello, world!"
"""What every service of these tests answers."""
_PAUSE = 0.01
_LIMIT = 20.0


class Clients:
    """For each path one client that connects anew for each request, and one that keeps its connection.

    They go on for as long as the block runs, and it fails if one of them was not answered with 200 and `BODY`. With
    several ports, who gets no answer at one goes on to the next, as clients of several replicas do.
    """

    def __init__(self, *ports: int, paths: Sequence[str] = ("/web",)) -> None:
        self.answers: Counter[tuple[str, bool]] = Counter()
        self.lost: list[str] = []
        self.missed = 0
        """How often a replica had no answer and another one had."""
        self._ports = ports
        self._done = threading.Event()
        who = [(path, keeps) for path in paths for keeps in (False, True)]
        self._threads = [threading.Thread(target=self._run, args=each, daemon=True) for each in who]
        self._who = who

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.go_on()
        self.stop()
        assert kind is not None or self.lost == [], self.lost[:5]

    def start(self) -> None:
        """Begin to ask."""
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        """Ask no more."""
        self._done.set()
        for thread in self._threads:
            thread.join()

    def go_on(self, requests: int = 5) -> None:
        """Wait until everybody has been answered some more times, or somebody has not been answered well."""
        before = Counter(self.answers)
        eventually(
            lambda: self.lost or all(self.answers[each] >= before[each] + requests for each in self._who),
            "everybody is answered",
        )

    def until(self, ask: Callable[[], object], what: str) -> None:
        """Wait for something, and for some more answers when it is so."""
        eventually(ask, what)
        self.go_on()

    def _run(self, path: str, keeps: bool) -> None:  # noqa: FBT001 - given by position to the thread
        connection: http.client.HTTPConnection | None = None
        while not self._done.wait(_PAUSE):
            began = time.monotonic()
            try:
                connection, status, body = self._ask(connection, path)
            except (OSError, http.client.HTTPException) as error:
                connection = None
                self.lost.append(f"{path} after {time.monotonic() - began:.2f} s: {error!r}")
                continue
            if (status, body) == (200, BODY):
                self.answers[path, keeps] += 1
            else:
                self.lost.append(f"{path} after {time.monotonic() - began:.2f} s: {status}, {body[:100]!r}")
            if not keeps and connection is not None:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()

    def _ask(
        self, kept: http.client.HTTPConnection | None, path: str
    ) -> tuple[http.client.HTTPConnection | None, int, str]:
        """Return the connection to be kept, and the answer; a kept one that has been closed is replaced."""
        if kept is not None:
            with suppress(OSError, http.client.HTTPException):
                return _answer(kept, path)
        for port in self._ports[:-1]:
            try:
                return _answer(http.client.HTTPConnection("127.0.0.1", port, timeout=_LIMIT), path)
            except (OSError, http.client.HTTPException):
                self.missed += 1
        return _answer(http.client.HTTPConnection("127.0.0.1", self._ports[-1], timeout=_LIMIT), path)


def _answer(connection: http.client.HTTPConnection, path: str) -> tuple[http.client.HTTPConnection | None, int, str]:
    """Return the connection, if it is kept, and the answer; a connection that breaks is closed."""
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
    except BaseException:
        connection.close()
        raise
    return (None if answer.will_close else connection), answer.status, body
