"""What the end-to-end tests work with: the testbed's two Docker nodes, services, requests to each replica."""

import base64
import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

ROOT = Path(__file__).parents[2]
IMAGE = "swarmgate/swarmgate"
DEMO_IMAGE = "swarmgate-test/demo"
PROMETHEUS_IMAGE = "swarmgate-test/prometheus"
OURS = "swarmgate-test=e2e"
"""The label that everything these tests create bears, so that leftovers are found."""

STACK = "e2e"
"""The name of the stack; that of all others begins with it."""

STACKS = (STACK, f"{STACK}-demo", f"{STACK}-monitoring")
"""The names of all stacks."""

HTTP, API = 80, 8080
WRITABLE = tuple(
    option
    for folder in ("/run/swarmgate", "/var/lib/swarmgate")
    for option in ("--mount", f"type=tmpfs,target={folder}")
)
HARDENED = ("--read-only", "--cap-drop", "ALL", *WRITABLE)
"""The options of ``docker service create`` for a container that can write nowhere but where it must."""

QUICK = (
    *("--restart-delay", "100ms", "--health-interval", "1s"),
    *("--update-monitor", "100ms", "--update-order", "start-first"),
)
"""The options of ``docker service create`` for not waiting longer than it takes."""

SOCKET = ("--mount", "type=bind,source=/var/run/docker.sock,target=/var/run/docker.sock,readonly")

_NOT_YET = (http.client.HTTPException, subprocess.CalledProcessError)
T = TypeVar("T")


_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.05, 0.4
"""Seconds: whatever asks by way of the ``docker`` command takes CPU time from what it waits for."""


def eventually(holds: Callable[[], T], *, within: float = 30) -> T:
    """Return the result of ``holds`` as soon as it raises nothing and is not False; else fail with its own words."""
    deadline = time.monotonic() + within
    pause = _SHORTEST_PAUSE
    while True:
        problem: Exception
        try:
            result = holds()
        except (AssertionError, LookupError, OSError, ValueError, *_NOT_YET) as error:
            problem = error
        else:
            if result is not False:
                return result
            problem = AssertionError("the condition does not hold")
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:g} s: {problem}") from problem
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def steadily(holds: Callable[[], object], *, during: float) -> None:
    """Call ``holds``, which raises when something is wrong, again and again for some seconds."""
    deadline = time.monotonic() + during
    while time.monotonic() < deadline:
        holds()
        time.sleep(0.05)


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: str

    @property
    def task(self) -> str:
        """Which container of the demo service answered."""
        return self.headers.get("x-task", "")


def request(
    address: str,
    port: int,
    path: str,
    *,
    method: str = "GET",
    host: str | None = None,
    user: str | None = None,
    token: str | None = None,
    body: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float = 5,
) -> Answer:
    """Send one request; ``user`` is ``name:password``, ``token`` that of the API."""
    headers = {**(headers or {}), **({"Host": host} if host else {})}
    if user:
        headers["Authorization"] = f"Basic {base64.b64encode(user.encode()).decode()}"
    if token:
        headers["Authorization"] = f"Bearer {token}"
    connection = http.client.HTTPConnection(address, port, timeout=timeout)
    try:
        connection.request(method, path, body=body, headers=headers)
        answer = connection.getresponse()
        told = answer.read().decode(errors="replace")
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, told)
    finally:
        connection.close()


@dataclass(frozen=True)
class Node:
    """A Docker engine of the testbed; host-mode ports of its containers are at ``address``."""

    name: str
    socket: str
    address: str

    def docker(self, *arguments: str, given: str | None = None, limit: float = 60) -> str:
        """Run a docker command on this node and return its output; ``given`` is its standard input.

        Raises:
            subprocess.CalledProcessError: it failed; the message has what it said.
        """
        command = ["docker", "--host", f"unix://{self.socket}", *arguments]
        done = subprocess.run(command, input=given, capture_output=True, text=True, timeout=limit, check=False)
        if done.returncode:
            raise DockerError(done.returncode, command, done.stdout, done.stderr)
        return done.stdout.strip()


class DockerError(subprocess.CalledProcessError):
    """A docker command failed."""

    def __str__(self) -> str:
        return f"{' '.join(self.cmd)}: {self.stderr.strip()}"


@dataclass(frozen=True)
class Container:
    """A container on a node: a task of a service, or one that was run by hand."""

    node: Node
    id: str

    @cached_property
    def facts(self) -> Any:  # noqa: ANN401 - Docker's JSON
        """What ``docker inspect`` says; what does not change, that is."""
        return json.loads(self.node.docker("inspect", self.id))[0]

    @property
    def state(self) -> Any:  # noqa: ANN401 - Docker's JSON
        """Its state just now."""
        return json.loads(self.node.docker("inspect", "--format", "{{json .State}}", self.id))

    @property
    def health(self) -> str:
        """Its health just now: ``starting``, ``healthy`` or ``unhealthy``."""
        return str(self.state["Health"]["Status"])

    def port(self, target: int) -> int:
        """The host's port that leads to a port of the container."""
        bindings = self.facts["NetworkSettings"]["Ports"][f"{target}/tcp"]
        return int(bindings[0]["HostPort"])

    def get(self, path: str, *, target: int = HTTP, **options: Any) -> Answer:  # noqa: ANN401 - of `request`
        """Send a request through a published port of this container."""
        return request(self.node.address, self.port(target), path, **options)

    def services(self) -> dict[str, Any]:
        """What a proxy says of each service."""
        return {item["name"]: item for item in json.loads(self.get("/v1/services", target=API).body)}

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a proxy's samples of one name that bear all these labels."""
        wanted = {f'{label}="{value}"' for label, value in labels.items()}
        total = 0.0
        for line in self.get("/metrics", target=API).body.splitlines():
            sample = re.fullmatch(r"(\w+)(?:\{(.*)\})? (\S+)", line)
            if sample and sample[1] == name and wanted <= set((sample[2] or "").split(",")):
                total += float(sample[3])
        return total

    def reloads(self) -> tuple[float, int]:
        """The reloads that a proxy counts, and those that its HAProxy's master counts."""
        answer = self.haproxy("show proc", "master")
        master = re.search(r"^\d+\s+master\s+(\d+)", answer, re.MULTILINE)
        assert master, answer
        return self.metric("swarmgate_haproxy_reloads_total"), int(master[1])

    def is_busy_with(self, service: str) -> bool:
        """Tell whether HAProxy has a request on its way to a service just now."""
        return f"be={service}-be" in self.haproxy("show sess", "runtime")

    def haproxy(self, command: str, which: str) -> str:
        """Return what HAProxy's ``master`` or ``runtime`` socket answers."""
        return self.python(
            f"import socket; s = socket.socket(socket.AF_UNIX); s.connect('/run/swarmgate/{which}.sock'); "
            f"s.sendall(b'{command}\\n'); s.shutdown(socket.SHUT_WR); print(s.makefile(errors='replace').read())"
        )

    def python(self, program: str) -> str:
        """Run a Python program in the container and return its output."""
        return self.node.docker("exec", self.id, "/opt/swarmgate/bin/python", "-I", "-c", program)

    def processes(self) -> dict[int, str]:
        """The command lines of all processes in the container, by process id."""
        lines = self.python(
            "import pathlib\n"
            "for f in pathlib.Path('/proc').glob('[0-9]*/cmdline'):\n"
            "    try: print(f.parent.name, f.read_text().replace(chr(0), ' '))\n"
            "    except OSError: pass"
        )
        found = {}
        for line in lines.splitlines():
            pid, _, command = line.partition(" ")
            if pid.isdecimal() and command.strip():
                found[int(pid)] = command.strip()
        return found

    def controller_pid(self) -> int:
        """The process id of the controller."""
        (pid,) = [pid for pid, line in self.processes().items() if pid != 1 and "bin/swarmgate" in line.split(" ")[1]]
        return pid

    def haproxy_pids(self) -> set[int]:
        """The process ids of HAProxy's master and worker."""
        return {pid for pid, line in self.processes().items() if line.split(" ")[0].endswith("/haproxy")}

    def kill(self, pid: int, number: int = 9) -> None:
        """Send a signal to a process in the container."""
        self.node.docker("exec", self.id, "bash", "-c", f"kill -{number} {pid}")

    def logs(self, tail: int = 1000) -> str:
        """Return what it has written."""
        command = ["docker", "--host", f"unix://{self.node.socket}", "logs", "--tail", str(tail), self.id]
        return subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout

    def log_events(self, event: str) -> list[dict[str, Any]]:
        """Return the structured entries of the log that tell of one kind of event."""
        entries = (json.loads(line) for line in self.logs().splitlines() if line.startswith("{"))
        return [entry for entry in entries if entry.get("event") == event]


@dataclass
class Swarm:
    """The Swarm of the testbed. The first node is its manager."""

    nodes: tuple[Node, ...]
    created: list[str] = field(default_factory=list)

    def docker(self, *arguments: str, given: str | None = None) -> str:
        """Run a docker command on the manager."""
        return self.nodes[0].docker(*arguments, given=given)

    def create(self, name: str, *options: str, image: str = DEMO_IMAGE, command: tuple[str, ...] = ()) -> "Service":
        """Create a service as ``docker service create`` does.

        The testbed forwards nothing to virtual IPs, so the endpoint mode is ``dnsrr`` unless the options say otherwise.
        """
        given = options if "--endpoint-mode" in options else ("--endpoint-mode", "dnsrr", *options)
        self.docker(
            *("service", "create", "--detach", "--no-resolve-image", "--label", OURS, "--name", name),
            *given,
            image,
            *command,
        )
        return Service(self, name)

    def create_network(self, name: str) -> None:
        """Create an overlay network that containers may join by hand, too."""
        self.docker("network", "create", "--driver", "overlay", "--attachable", "--label", OURS, name)

    def create_secret(self, name: str, content: str) -> None:
        """Create a secret as ``echo content | docker secret create name -`` does."""
        self.docker("secret", "create", "--label", OURS, name, "-", given=f"{content}\n")

    def kept(self) -> dict[str, str]:
        """What the API keeps in the Swarm for these tests, in clear text by the name of the config object."""
        found = {}
        for name in self._names_of_kept():
            (config,) = json.loads(self.docker("config", "inspect", name))
            found[name] = base64.b64decode(config["Spec"]["Data"]).decode()
        return found

    def _names_of_kept(self) -> list[str]:
        names = self.docker("config", "ls", "--filter", "label=swarmgate.declared", "--format", "{{.Name}}").split()
        return [name for name in names if re.match(rf"swarmgate-\w+-{STACK}-", name)]

    def containers(self, service: str) -> list[Container]:
        """The running containers of a service, on all nodes."""
        return [
            Container(node, id_)
            for node in self.nodes
            for id_ in node.docker(
                *("ps", "--quiet", "--no-trunc", "--filter", f"label=com.docker.swarm.service.name={service}")
            ).split()
        ]

    def clean(self) -> None:
        """Remove everything these tests have ever created."""
        self._remove("service")
        for node in self.nodes:
            ids = node.docker("ps", "--all", "--quiet", "--filter", f"label={OURS}").split()
            if ids:
                node.docker("rm", "--force", "--volumes", *ids)
        self._remove("secret")
        self._remove("config")
        for name in self._names_of_kept():
            self.docker("config", "rm", name)
        # A network is gone once the last task has left it.
        eventually(lambda: self._remove("network"), within=60)

    def _remove(self, kind: str) -> bool:
        """Remove what there is of one kind; tell whether there was nothing."""
        labels = OURS, *(f"com.docker.stack.namespace={stack}" for stack in STACKS)
        ids = [
            id_ for label in labels for id_ in self.docker(kind, "ls", "--quiet", "--filter", f"label={label}").split()
        ]
        if ids:
            self.docker(kind, "rm", *ids)
        return not ids


@dataclass(frozen=True)
class Service:
    """A service of the Swarm."""

    swarm: Swarm
    name: str

    def update(self, *options: str) -> None:
        """Change it as ``docker service update`` does."""
        self.swarm.docker("service", "update", "--detach", "--no-resolve-image", *options, self.name)

    def scale(self, replicas: int) -> None:
        """Change the number of its replicas as ``docker service scale`` does."""
        self.swarm.docker("service", "scale", "--detach", f"{self.name}={replicas}")

    def remove(self) -> None:
        """Remove it, if it is there."""
        if self.name in self.swarm.docker("service", "ls", "--format", "{{.Name}}").split():
            self.swarm.docker("service", "rm", self.name)

    @property
    def containers(self) -> list[Container]:
        """Its running containers."""
        return self.swarm.containers(self.name)

    def wait_for(self, replicas: int, *, within: float = 60) -> list[Container]:
        """Wait until so many of its tasks run, none is left over and no update is under way; return the containers."""
        return eventually(lambda: self._settled(replicas), within=within)

    def _settled(self, replicas: int) -> list[Container]:
        state = self.swarm.docker("service", "inspect", "--format", "{{json .UpdateStatus}}", self.name)
        assert "updating" not in state, f"service {self.name} is being updated"
        states = self.swarm.docker(
            *("service", "ps", "--filter", "desired-state=running", "--format", "{{.CurrentState}}", self.name)
        ).splitlines()
        running = [state for state in states if state.startswith("Running")]
        containers = self.containers
        assert len(running) == len(states) == len(containers) == replicas, (
            f"service {self.name} has the tasks {states} and {len(containers)} containers, not {replicas} running"
        )
        return containers


@dataclass(frozen=True)
class Proxy(Service):
    """A service of Swarmgate proxies."""

    def answers(self, path: str, status: int, *, within: float = 20, **options: Any) -> list[Answer]:  # noqa: ANN401
        """Wait until every replica gives this status for this path, and return their answers."""
        return eventually(lambda: self._all_answer(path, status, options), within=within)

    def _all_answer(self, path: str, status: int, options: dict[str, Any]) -> list[Answer]:
        answers = [replica.get(path, **options) for replica in self.containers]
        assert answers, f"service {self.name} has no running task"
        for answer in answers:
            assert answer.status == status, (
                f"{path} {options or ''} gives {answer.status} {answer.body!r}, not {status}"
            )
        return answers

    def reloads(self) -> list[tuple[float, int]]:
        """The numbers of reloads of every replica."""
        return [replica.reloads() for replica in self.containers]

    def views(self) -> Iterator[dict[str, Any]]:
        """What each replica says of the services."""
        for replica in self.containers:
            yield replica.services()

    def knows(self, service: str, *, known: bool = True, within: float = 20) -> None:
        """Wait until all replicas have a service in their view, or none has."""

        def agree() -> None:
            views = list(self.views())
            assert views, f"service {self.name} has no running task"
            for view in views:
                assert (service in view) is known, f"{service} is{' not' if known else ''} among {sorted(view)}"

        eventually(agree, within=within)
