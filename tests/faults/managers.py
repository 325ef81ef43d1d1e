"""A Swarm of three managers on this machine, which can be killed and started again: engines without any container.

Each engine is in a network namespace of its own, on one bridge, and is asked through its socket only; all it keeps is
in one folder.
"""

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

_BETWEEN = "sg-managers"
"""The namespace of the bridge: the machine's own rules for what is passed on are none of its business."""
_NETWORK = "198.18.1"
"""Of the range for benchmarks, beside that of the testbed's two nodes."""
_LIMIT = 60.0


def run(*command: str) -> str:
    """Run a command and return its output.

    Raises:
        AssertionError: it failed.
    """
    done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr}"
    return done.stdout.strip()


@dataclass
class Manager:
    """One engine; ``number`` is 1 to 3."""

    number: int
    home: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def host(self) -> str:
        """What to put into ``DOCKER_HOST``."""
        return f"unix://{self.home}/docker.sock"

    @property
    def address(self) -> str:
        """Where the others reach it."""
        return f"{_NETWORK}.{self.number}"

    @property
    def namespace(self) -> str:
        """Its network namespace."""
        return f"{_BETWEEN}-{self.number}"

    def docker(self, *arguments: str) -> str:
        """Run a docker command on it."""
        return run("docker", "--host", self.host, *arguments)

    def start(self) -> None:
        """Start it, or start it again, and wait until it answers."""
        self.home.mkdir(parents=True, exist_ok=True)
        engine = f"hostname manager-{self.number} && exec dockerd"
        options = (
            *(f"--data-root={self.home}/data", f"--exec-root={self.home}/exec", f"--pidfile={self.home}/pid"),
            *(f"--host={self.host}", "--bridge=none", "--iptables=false", "--shutdown-timeout=1"),
        )
        command = (
            *("nsenter", f"--net=/run/netns/{self.namespace}", "unshare", "--uts", "--mount"),
            *("sh", "-c", f'{engine} "$@"', "sh", *options),
        )
        with (self.home / "log").open("ab") as log:
            self.process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + _LIMIT
        while subprocess.run(["docker", "--host", self.host, "version"], capture_output=True, check=False).returncode:
            assert time.monotonic() < deadline, (self.home / "log").read_text()[-2000:]
            time.sleep(0.1)

    def kill(self) -> None:
        """Have it end at once, with everything it has begun."""
        if self.process is None:
            return
        self.process.kill()
        self.process.wait()
        (self.home / "pid").unlink(missing_ok=True)
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(int((self.home / "exec/containerd/containerd.pid").read_text()), signal.SIGKILL)
        self.process = None


@dataclass
class Managers:
    """The three engines."""

    all: list[Manager] = field(default_factory=list)

    @property
    def alive(self) -> list[Manager]:
        """Those that run."""
        return [each for each in self.all if each.process]

    @property
    def leader(self) -> Manager:
        """The one that leads now."""
        nodes = self.alive[0].docker("node", "ls", "--format", "{{.Hostname}} {{.ManagerStatus}}").splitlines()
        (name,) = [line.split()[0] for line in nodes if line.endswith("Leader")]
        return next(each for each in self.all if name == f"manager-{each.number}")

    @property
    def followers(self) -> list[Manager]:
        """The others."""
        leader = self.leader
        return [each for each in self.all if each is not leader]


@contextmanager
def three_managers(home: Path) -> Iterator[Managers]:
    """Run them below a folder until the end of the block."""
    managers = Managers([Manager(number, home / f"m{number}") for number in (1, 2, 3)])
    with ExitStack() as cleaning:
        run("ip", "netns", "add", _BETWEEN)
        cleaning.callback(run, "ip", "netns", "delete", _BETWEEN)
        run("ip", "-n", _BETWEEN, "link", "add", "bridge", "type", "bridge")
        run("ip", "-n", _BETWEEN, "link", "set", "bridge", "up")
        for each in managers.all:
            _connect(each, cleaning)
            cleaning.callback(each.kill)
            each.start()
        first, *others = managers.all
        first.docker("swarm", "init", "--advertise-addr", first.address)
        token = first.docker("swarm", "join-token", "-q", "manager")
        for each in others:
            each.docker("swarm", "join", "--advertise-addr", each.address, "--token", token, f"{first.address}:2377")
        yield managers


def _connect(manager: Manager, cleaning: ExitStack) -> None:
    """Give an engine its namespace, with one way to the others."""
    outside, between = f"manager-{manager.number}", ("ip", "-n", _BETWEEN, "link")
    run("ip", "netns", "add", manager.namespace)
    cleaning.callback(run, "ip", "netns", "delete", manager.namespace)
    run(*between, "add", outside, "type", "veth", "peer", "name", "eth0", "netns", manager.namespace)
    run(*between, "set", outside, "master", "bridge", "up")
    inside = ("ip", "-n", manager.namespace)
    run(*inside, "address", "add", f"{manager.address}/24", "dev", "eth0")
    run(*inside, "link", "set", "lo", "up")
    run(*inside, "link", "set", "eth0", "up")
    run(*inside, "route", "add", "default", "via", f"{_NETWORK}.254", "dev", "eth0", "onlink")
