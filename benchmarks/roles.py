"""The two roles as users run them, as processes: ``swarmgate proxy`` and ``swarmgate listener``."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import Engine, engine
from benchmarks.origins import origins
from benchmarks.world import Request, World

SWARMGATE = Path(sys.executable).with_name("swarmgate")
TOKEN = "benchmark"  # noqa: S105 - of listeners that live for a minute, on loopback
_LIMIT = 180.0
_PAUSE = 0.005


class TooSlowError(Exception):
    """Something awaited did not happen in time."""


@dataclass(frozen=True, slots=True)
class Role:
    """A running role: its process, the port of its API, and for a proxy that of its HAProxy and its run folder."""

    process: "subprocess.Popen[bytes]"
    api: int
    http: int = 0
    run_dir: Path = Path()

    def is_ready(self) -> bool:
        """Tell whether it says that it is ready."""
        return status(self.api, Request("/readyz")) == 200

    def metrics(self) -> str:
        """Return its metrics."""
        return fetch(self.api, "/metrics")

    def metric(self, name: str) -> float:
        """Return the sum of all samples of a metric."""
        found = re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", self.metrics(), re.MULTILINE)
        return sum(map(float, found))

    @property
    def reloads(self) -> int:
        """How often HAProxy's master says that it has loaded its configuration anew."""
        found = re.search(r"^\d+\s+master\s+(\d+)", self.ask_master("show proc"), re.MULTILINE)
        return int(found[1]) if found else 0

    @property
    def haproxy(self) -> tuple[int, int]:
        """The process ids of HAProxy's master and of the worker in force; 0 for what there is not."""
        answer = self.ask_master("show proc")
        master, worker = (re.search(rf"^(\d+)\s+{kind}\s", answer, re.MULTILINE) for kind in ("master", "worker"))
        return int(master[1]) if master else 0, int(worker[1]) if worker else 0

    def ask_master(self, command: str) -> str:
        """Return what HAProxy's master answers; nothing if there is none."""
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            try:
                connection.connect(str(self.run_dir / "master.sock"))
                connection.sendall(f"{command}\n".encode())
                connection.shutdown(socket.SHUT_WR)
                return connection.makefile(errors="replace").read()
            except OSError:
                return ""


@contextmanager
def proxy(
    context: Context, folder: Path, environment: Mapping[str, str], *, ports: tuple[int, int] | None = None
) -> Iterator[Role]:
    """Run a proxy with its HAProxy until the end of the block, with state and sockets in a folder.

    ``ports`` are those of its API and its HAProxy, any free ones by default.
    """
    api, port = ports or free_ports(2)
    given = {
        "DEFAULT_PORTS": str(port),
        "STATE_DIR": str(folder / "state"),
        "RUN_DIR": str(folder / "run"),
        "CERTS_DIR": str(folder / "certs"),
        "HAPROXY_BINARY": str(context.haproxy),
        "DRAIN_TIMEOUT": "1",
        "LISTENER_TOKEN": TOKEN,
    }
    with _role("proxy", api, {**given, **environment}) as process:
        made = Role(process, api, port, folder / "run")
        try:
            yield made
        finally:
            _stop(made)


@contextmanager
def listener(docker: Engine, folder: Path) -> Iterator[Role]:
    """Run a listener on an engine until the end of the block."""
    (api,) = free_ports()
    environment = {"DOCKER_HOST": docker.docker_host, "LISTENER_TOKEN": TOKEN, "STATE_DIR": str(folder / "listener")}
    with _role("listener", api, environment) as process:
        yield Role(process, api)


@contextmanager
def _role(name: str, api: int, environment: Mapping[str, str]) -> Iterator["subprocess.Popen[bytes]"]:
    given = {**_inherited(), "PORT": str(api), "IP": "127.0.0.1", "LOG_LEVEL": "info", **environment}
    with subprocess.Popen([SWARMGATE, name], env=given, stdin=subprocess.DEVNULL) as process:
        try:
            yield process
        finally:
            process.kill()


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


def _stop(role: Role) -> None:
    """Stop a proxy, and then its HAProxy, which outlives it if it did not stop it itself."""
    master, _ = role.haproxy
    if role.process.poll() is None:
        role.process.terminate()
        with suppress(subprocess.TimeoutExpired):
            role.process.wait(20)
    if master:
        with suppress(ProcessLookupError):
            os.kill(master, signal.SIGTERM)


@dataclass(frozen=True, slots=True)
class Standing:
    """A proxy that has converged, on an engine with a world of ``size`` services whose origins answer."""

    engine: Engine
    proxy: Role
    size: int
    origin: int
    folder: Path


@contextmanager
def standing(
    context: Context, world: World, size: int, environment: Mapping[str, str] | None = None
) -> Iterator[Standing]:
    """Run a proxy on a world until the end of the block, and give it when it is ready."""
    with scratch() as folder:
        (origin,) = free_ports()
        with origins(context, origin, size, folder), engine(folder / "docker.sock", world, size, origin) as docker:
            given = {"DOCKER_HOST": docker.docker_host, **(environment or {})}
            with proxy(context, folder, given) as role:
                eventually(role.is_ready, "the proxy is ready", role)
                yield Standing(docker, role, size, origin, folder)


def eventually(holds: Callable[[], bool], what: str, role: Role | None = None, *, limit: float = _LIMIT) -> float:
    """Wait until something is so, and return the time, in the seconds of `time.monotonic`, when it was found so.

    Raises:
        TooSlowError: it does not become so, or the role has ended.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if holds():
            return time.monotonic()
        if role is not None and role.process.poll() is not None:
            raise TooSlowError(f"waiting until {what}: the process has ended with {role.process.returncode}")
        time.sleep(_PAUSE)
    raise TooSlowError(f"not within {limit:g} s: {what}")


def status(port: int, request: Request) -> int:
    """Return the status of a request on a connection of its own; 0 if there is no answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", request.path, headers={"Host": request.host, **request.headers})
        return connection.getresponse().status
    except (OSError, http.client.HTTPException):
        return 0
    finally:
        connection.close()


def fetch(port: int, path: str) -> str:
    """Return the body of an answer."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().read().decode()
    finally:
        connection.close()
