"""Reading from a Docker Engine, blocking: whole answers within a deadline, and the stream of events.

It exists because of what the SDK leaves open: its time limits are per packet, its event stream has none at all, and
neither can be stopped from outside. Every fault leaves here as a `SourceUnavailableError` that says what to do.
Only GET requests are sent, except for the config objects of declared services.
"""

import errno
import json
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import requests
import urllib3
from docker import APIClient
from docker.constants import MINIMUM_DOCKER_API_VERSION
from docker.errors import DockerException, NotFound
from docker.tls import TLSConfig

from controller.errors import SourceUnavailableError

Filters = Mapping[str, Sequence[str]]

_FAULTS = (
    DockerException,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    ValueError,
    TypeError,
    KeyError,
)
_CHUNK = 1 << 17
"""Bytes that are taken in at once: much of an answer, and few enough for memory that was used before."""
_MOST_BYTES = 1 << 30
"""No Swarm is that large: an answer beyond it has no end."""


class DockerConnection:
    """One engine at ``docker_host`` (``unix:///path``, ``tcp://host:port``).

    It connects when it is first used, and anew after a fault. For one thread at a time, except for `abort`.
    ``timeout`` is in seconds, for each step of a connection.
    """

    def __init__(self, docker_host: str, *, tls: TLSConfig | bool = False, timeout: float = 10.0) -> None:
        self._docker_host = docker_host
        self._tls = tls
        self._timeout = timeout
        self._api: APIClient | None = None
        self._response: requests.Response | None = None
        self._aborted = False

    def read(self, path: str, filters: Filters, *, deadline: float, known: bytes = b"") -> bytes:
        """The body of the answer to ``GET path``, whole and not yet decoded; ``deadline`` is in monotonic seconds.

        It is the very object that is ``known`` if it is the same: megabytes that seldom change are not kept twice.

        Raises:
            SourceUnavailableError: there is none, it is not a success, or it did not end in time.
        """
        with _explained(self):
            api = self._connected(deadline - time.monotonic())
            return self._whole(api, f"/v{api.api_version}{path}", filters, deadline=deadline, known=known)

    def follow(self, path: str, filters: Filters, *, on_event: Callable[[str], None], silence: float) -> None:
        """Call ``on_event`` with ``""`` once connected, then with each line of the endless answer to ``GET path``.

        Returns when the stream ends or breaks, when nothing came for ``silence`` seconds, or upon `abort`.

        Raises:
            SourceUnavailableError: the stream cannot be had.
        """
        with _explained(self):
            api = self._connected(self._timeout)
            response = self._get(api, f"/v{api.api_version}{path}", filters, timeout=self._timeout)
            _allow_silence(response, silence)
            on_event("")
            with suppress(*_FAULTS):  # However a stream ends, the caller opens the next one.
                # Without a chunk size, whatever has arrived is handed on at once.
                for line in response.iter_lines(chunk_size=None):
                    on_event(line.decode(errors="replace"))
        self.close()

    def create_config(self, name: str, data: bytes, labels: Mapping[str, str]) -> None:
        """Create a Swarm config object (``POST /configs/create``).

        Raises:
            SourceUnavailableError: the engine refuses, or does not answer.
        """
        with _explained(self):
            self._connected(self._timeout).create_config(name, data, labels=dict(labels))

    def remove_config(self, id_: str) -> None:
        """Remove a Swarm config object; none that is gone already is no fault.

        Raises:
            SourceUnavailableError: the engine refuses, or does not answer.
        """
        with _explained(self), suppress(NotFound):
            self._connected(self._timeout).remove_config(id_)  # type: ignore[no-untyped-call]

    def abort(self) -> None:
        """From another thread: make the call in progress fail, and those to come."""
        self._aborted = True
        response = self._response
        if response is not None:
            # The other thread may be closing it: what of it is gone already is None.
            with suppress(*_FAULTS, AttributeError):
                _shut_down(response)

    def close(self) -> None:
        """Let go of all connections; the next call makes new ones."""
        response, self._response = self._response, None
        if response is not None:
            response.close()
        api, self._api = self._api, None
        if api is not None:
            api.close()

    def _whole(self, api: APIClient, path: str, filters: Filters, *, deadline: float, known: bytes = b"") -> bytes:
        """Return the body of the answer to ``GET path``, which is compared with what is known as it comes.

        Engines end it with a line break, which is left out.
        """
        response = self._get(api, path, filters, timeout=deadline - time.monotonic())
        chunks: list[bytes] = []
        same = size = 0
        for chunk in response.iter_content(_CHUNK):
            size += len(chunk)
            if chunks or not known.startswith(chunk, same):
                chunks.append(chunk)
            else:
                same = size
            if time.monotonic() > deadline or size > _MOST_BYTES:
                raise TimeoutError("the answer does not end")
        self._response = None
        rest = b"".join(chunks).rstrip()
        return known if known[same:] == rest else (known[:same] + rest).rstrip()

    def _get(self, api: APIClient, path: str, filters: Filters, *, timeout: float) -> requests.Response:
        response = api.get(
            f"{api.base_url}{path}",
            params={"filters": json.dumps(filters)} if filters else {},
            stream=True,
            timeout=max(0.001, timeout),
        )
        self._response = response
        if self._aborted:
            raise TimeoutError("given up")
        if response.status_code != requests.codes.ok:
            raise SourceUnavailableError(_refusal(response, self._docker_host))
        return response

    def _connected(self, timeout: float) -> APIClient:
        if self._api is None:
            _knock(self._docker_host, timeout)
            deadline = time.monotonic() + timeout
            # The engine tells its version: old engines refuse new ones, and the other way round. It is asked here and
            # not by the client ("auto"), which would wait for ever for an answer that never ends.
            self._api = self._client(MINIMUM_DOCKER_API_VERSION, timeout)
            told = json.loads(self._whole(self._api, "/version", {}, deadline=deadline))
            self._api.close()
            self._api = self._client(str(told["ApiVersion"]), timeout)
        return self._api

    def _client(self, version: str, timeout: float) -> APIClient:
        return APIClient(base_url=self._docker_host, version=version, timeout=_whole_seconds(timeout), tls=self._tls)

    @property
    def docker_host(self) -> str:
        """Where the engine is, as configured."""
        return self._docker_host


class _explained:  # noqa: N801  reads as a statement
    """Turns every fault inside into a `SourceUnavailableError`, and drops the connection that it came from.

    With the faults go the frames that they came through: these know the fault, and the sockets, which would stay open
    until the search for reference cycles, which is seldom. What is to be said of a fault is in the text.
    """

    def __init__(self, connection: DockerConnection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            return
        self._connection.close()
        if isinstance(error, _FAULTS):
            for cause in _causes(error):
                cause.__traceback__ = None
            raise SourceUnavailableError(explain(error, self._connection.docker_host)) from error


def explain(error: BaseException, docker_host: str) -> str:
    """A text for the operator about a fault between us and the engine: what it is, and what to do about it."""
    causes = list(_causes(error))
    codes = [cause.errno for cause in causes if isinstance(cause, OSError) and cause.errno]
    advice = next((_ADVICE[code](docker_host) for code in codes if code in _ADVICE), None)
    if advice is None and any(isinstance(cause, TimeoutError | requests.Timeout) for cause in causes):
        advice = "it does not answer in time; is the engine overloaded or hanging?"
    return f"Docker Engine at {docker_host}: {advice or f'no usable answer ({_words(causes)})'}"


def _words(causes: list[BaseException]) -> str:
    """The innermost cause says best what happened; those around it say where in the libraries."""
    innermost = causes[-1]
    return f"{type(innermost).__name__}: {innermost}"[:300]


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and what it was made from: the libraries keep that in ``__cause__``, or among the arguments."""
    seen: list[BaseException] = []
    waiting = [error]
    while waiting:
        current = waiting.pop(0)
        if current in seen:
            continue
        seen.append(current)
        inner = [current.__cause__, current.__context__, getattr(current, "reason", None), *current.args]
        waiting += [each for each in inner if isinstance(each, BaseException)]
    return iter(seen)


def _advise_on_permission(docker_host: str) -> str:
    path = docker_host.removeprefix("unix://")
    owner = "another group"
    with suppress(OSError):
        owner = f"group {Path(path).stat().st_gid}"
    return (
        f"permission denied: the socket belongs to {owner}; give this container that group "
        "(`docker run --group-add GID`, `docker service create --group GID`, or `user: UID:GID` in a stack file)"
    )


def _advise_on_absence(docker_host: str) -> str:
    path = docker_host.removeprefix("unix://")
    return f"there is no such socket; mount it (`--mount type=bind,source={path},target={path}`) or set DOCKER_HOST"


def _advise_on_refusal(_docker_host: str) -> str:
    return "nobody listens there; is the engine running, and DOCKER_HOST right?"


_ADVICE: Mapping[int, Callable[[str], str]] = {
    errno.EACCES: _advise_on_permission,
    errno.EPERM: _advise_on_permission,
    errno.ENOENT: _advise_on_absence,
    errno.ENOTSOCK: _advise_on_refusal,
    errno.ECONNREFUSED: _advise_on_refusal,
}

_NOT_A_MANAGER = "; services can be read from managers only: add `--constraint node.role==manager`"
_FORBIDDEN = "; if this is a proxy before the socket, let it pass GET requests for services, tasks and events"


def _refusal(response: requests.Response, docker_host: str) -> str:
    """What the engine said when it said no; its own words come first."""
    words = ""
    with suppress(ValueError, AttributeError):
        words = str(response.json().get("message", ""))
    advice = ""
    if "not a swarm manager" in words.lower() or response.status_code == requests.codes.not_acceptable:
        advice = _NOT_A_MANAGER
    elif response.status_code == requests.codes.forbidden:
        advice = _FORBIDDEN
    return f"Docker Engine at {docker_host}: status {response.status_code}, {words[:300] or response.reason}{advice}"


def _knock(docker_host: str, timeout: float) -> None:
    """Try a unix socket first: the SDK leaves the file of a connection that fails to the garbage collector."""
    if docker_host.startswith("unix://"):
        with socket.socket(socket.AF_UNIX) as knocking:
            knocking.settimeout(max(0.001, timeout))
            knocking.connect("/" + docker_host.removeprefix("unix://").lstrip("/"))


def _whole_seconds(timeout: float) -> int:
    return max(1, round(timeout))


def _allow_silence(response: requests.Response, seconds: float) -> None:
    """Lengthen the time limit of a connection once its headers are there: from now on silence is normal."""
    sock = getattr(response.raw.connection, "sock", None)
    if sock is not None:
        sock.settimeout(seconds)


def _shut_down(response: requests.Response) -> None:
    """Wake the thread that reads the response: closing its file alone would leave it waiting."""
    with socket.socket(fileno=os.dup(response.raw.fileno())) as duplicate:
        duplicate.shutdown(socket.SHUT_RDWR)
