"""The two roles as processes, started as a user would start them, and what tests need to watch them."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml
from haproxy.loopback import free_port
from roles.nursery import Forked

T = TypeVar("T")
Services = dict[str, dict[str, object]]
"""Labels without their prefix, by service."""

SWARMGATE = Path(sys.executable).with_name("swarmgate")
DEADLINE = 20.0
"""Seconds that anything awaited here may take; nearly everything takes a fraction of one."""


STARTED = 60.0
"""Seconds that a command may take that imports everything anew, on a busy machine."""


def eventually(ask: Callable[[], T], what: str, *, within: float = DEADLINE) -> T:
    """Ask until the answer is true, and return it; fail after some seconds telling what was awaited in vain."""
    deadline = time.monotonic() + within
    answer: T | str = "no answer"
    while time.monotonic() < deadline:
        try:
            answer = ask()
        except httpx.TransportError as error:
            answer = repr(error)
        else:
            if answer:
                return answer
        time.sleep(0.02)
    raise AssertionError(f"{what} did not come true; the last answer was {answer!r}")


_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def ask(url: str, method: str = "GET", **options: Any) -> httpx.Response:  # noqa: ANN401 - httpx's
    """Send one request without TLS; unlike ``httpx.get`` it reads no certificates first, which takes longest."""
    return httpx.request(method, url, verify=_NO_TLS, trust_env=False, **options)


def stack(services: Mapping[str, Mapping[str, object]]) -> str:
    """Return a stack file with these services, each given by its labels without the prefix."""
    return yaml.safe_dump(
        {
            "services": {
                name: {"deploy": {"labels": {f"com.df.{label}": value for label, value in labels.items()}}}
                for name, labels in services.items()
            }
        }
    )


def put(stack_file: Path, services: Services) -> None:
    """Replace the stack file in one step."""
    fresh = stack_file.with_suffix(".new")
    fresh.write_text(stack(services), encoding="utf-8")
    fresh.replace(stack_file)


def plain(port: int, path: str, **more: object) -> dict[str, object]:
    """Return the labels of a service that listens on this machine."""
    return {"notify": True, "servicePath": path, "port": port, "outboundHostname": "127.0.0.1", **more}


def _inherited() -> dict[str, str]:
    return {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}


@dataclass
class Role:
    """A running ``swarmgate proxy`` or ``swarmgate listener``; its output is in ``log``.

    The first start is a fork of a process that has imported everything; each later one is the command itself, so that
    what depends on the interpreter (such as the order of sets) is another one for the next controller. With
    ``forks=False`` the first one is, too. ``prefix`` is a command that starts that command.
    """

    arguments: list[str]
    environment: dict[str, str]
    log: Path
    api: int = field(default_factory=free_port)
    process: "subprocess.Popen[bytes] | Forked | None" = None
    forks: bool = True
    prefix: tuple[str, ...] = ()

    def start(self) -> None:
        """Start it, or start it again."""
        environment = {**_inherited(), "PORT": str(self.api), "IP": "127.0.0.1", **self.environment}
        if self.process is None and self.forks:
            self.process = Forked(self.arguments, environment, self.log)
            return
        command = [*self.prefix, SWARMGATE, *self.arguments]
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=output)

    def send(self, number: signal.Signals) -> int:
        """Send a signal and return the exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def get(self, path: str) -> httpx.Response:
        """Ask its API."""
        return ask(f"http://127.0.0.1:{self.api}{path}", timeout=5)

    def ready(self) -> bool:
        """Whether it is ready."""
        return self.get("/readyz").is_success

    def metric(self, name: str, **labels: str) -> float:
        """Return the value of a metric."""
        inside = ",".join(f'{label}="{value}"' for label, value in labels.items())
        pattern = "^" + re.escape(f"{name}{{{inside}}}" if inside else name) + r" (\S+)$"
        found = re.search(pattern, self.get("/metrics").text, re.MULTILINE)
        return float(found[1]) if found else 0.0

    def condition(self, service: str, kind: str) -> dict[str, Any]:
        """Return one condition of a service."""
        answer = self.get(f"/v1/services/{service}")
        facts: list[dict[str, Any]] = answer.json()["conditions"] if answer.is_success else []
        return next((fact for fact in facts if fact["type"] == kind), {})

    def words(self) -> str:
        """Return everything it has written."""
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""


@dataclass
class Proxy(Role):
    """A running proxy and the port that its HAProxy listens on."""

    http: int = field(default_factory=free_port)
    home: Path = Path()

    def __post_init__(self) -> None:
        self.environment = {"DEFAULT_PORTS": str(self.http), "DRAIN_TIMEOUT": "10", **self.environment}

    def status(self, path: str, **headers: str) -> int:
        """Return the status of a request through HAProxy."""
        return self.through(path, **headers).status_code

    def through(self, path: str, **headers: str) -> httpx.Response:
        """Send a request through HAProxy."""
        return ask(f"http://127.0.0.1:{self.http}{path}", headers=headers, timeout=10)

    @property
    def master(self) -> int:
        """The process id of its HAProxy's master; 0 if there is none."""
        with socket.socket(socket.AF_UNIX) as connection:
            try:
                connection.connect(str(self.home / "run" / "master.sock"))
                connection.sendall(b"show proc\n")
                connection.shutdown(socket.SHUT_WR)
                answer = connection.makefile().read()
            except OSError:
                return 0
        found = re.search(r"^(\d+)\s+master", answer, re.MULTILINE)
        return int(found[1]) if found else 0

    @property
    def reloads(self) -> float:
        """How many reloads there were, by whatever reason."""
        samples = re.findall(r"^swarmgate_haproxy_reloads_total\{.*\} (\S+)$", self.get("/metrics").text, re.MULTILINE)
        return sum(map(float, samples))


@contextlib.contextmanager
def running(role: Role, folder: Path) -> Iterator[None]:
    """Run a role until the end of the block, then see to it that neither it nor its HAProxy is left."""
    try:
        yield
    finally:
        if role.process is not None and role.process.poll() is None:
            role.send(signal.SIGKILL)
        subprocess.run(["pkill", "-KILL", "-f", f"{folder}/"], check=False)
