"""A Docker Engine with a large Swarm, in a process of its own so that its work is not counted as the controller's.

It is the fake engine of the tests with three differences: its objects are as long as those of a real engine, their
addresses are on loopback so that requests to them stay on this machine, and it encodes an object once rather than once
per answer, so that an answer costs what its bytes cost. ``python -m benchmarks.engine SOCKET`` runs it; it obeys
commands in JSON, one a line, and answers each with a line.
"""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fakes.fake_docker import FakeDocker

from benchmarks import ROOT
from benchmarks.world import World, relabelled, service, service_of, services

Json = dict[str, Any]

NETWORK = "front"
READS: tuple[tuple[str, dict[str, list[str]]], ...] = (
    ("/services", {"label": ["com.df.notify"]}),
    ("/tasks", {"desired-state": ["running"]}),
)
"""What a reading of everything asks for."""
_DIGEST = "sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"


class LargeDocker(FakeDocker):
    """The engine of the tests, for large worlds."""

    def __init__(self, unix_socket: Path | None = None) -> None:
        super().__init__(unix_socket)
        self._ids: dict[str, str] = {}
        self._pieces: dict[str, tuple[object, bytes]] = {}

    def add_service(self, name: str, *arguments: Any, **options: Any) -> Json:  # noqa: ANN401 - of the engine
        """Create a service with all that a real engine says of one."""
        with self._lock:
            self._ids.pop(name, None)
            made = super().add_service(name, *arguments, **options)
            made["Spec"] |= _SPEC
            made["Spec"]["TaskTemplate"] |= _template(name)
            self.touch()
        return made

    def add_task(self, service_name: str, **options: Any) -> Json:  # noqa: ANN401 - likewise
        """Add a task with all that a real engine says of one."""
        with self._lock:
            task = super().add_task(service_name, **options)
            task |= {
                "UpdatedAt": task["CreatedAt"],
                "Labels": {},
                "Spec": {**_template(service_name), "ForceUpdate": 0},
            }
            task["Status"] |= {"Message": "started", "ContainerStatus": _CONTAINER}
            for attachment in task["NetworksAttachments"]:
                attachment["Network"] |= _NETWORK
            self.touch()
            return task

    def remove_service(self, name: str) -> None:
        """Remove a service, and what is remembered of it."""
        super().remove_service(name)
        self._ids.pop(name, None)

    def service(self, name: str) -> Json:
        """The service of that name, found by its name and not by looking at each."""
        known = self.services.get(self._ids.get(name, ""))
        if known is None:
            newest = next(reversed(self.services.values()), None)
            known = newest if newest and newest["Spec"]["Name"] == name else super().service(name)
            self._ids[name] = known["ID"]
        return known

    def body(self, path: str, filters: dict[str, list[str]]) -> bytes:
        """Return an answer without asking by HTTP; asking for it then costs nothing but its bytes."""
        return self._answer(path, filters)[1]

    def _lookup(self, path: str, filters: dict[str, list[str]]) -> tuple[int, Any]:
        status, answer = super()._lookup(path, filters)
        if isinstance(answer, list):
            return status, b"[" + b",".join(map(self._piece, answer)) + b"]"
        return status, answer

    def _piece(self, item: Json) -> bytes:
        """Encode an object, unless it was encoded before."""
        state = (item["Version"]["Index"], item.get("DesiredState"))
        known = self._pieces.get(item["ID"])
        if known is None or known[0] != state:
            known = self._pieces[item["ID"]] = (state, json.dumps(item, separators=(",", ":")).encode())
        return known[1]

    def _address(self, network: str, number: int, *, virtual: bool) -> str:
        """On loopback, all of which is this machine: virtual IPs in ``127.1.0.0/16``, tasks in ``127.2.0.0/16``."""
        _ = network
        second = 1 if virtual else 2
        return f"127.{second}.{number // 250 % 250}.{number % 250 + 1}/8"


_SPEC: Json = {
    "UpdateConfig": {"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "start-first"},
    "RollbackConfig": {"Parallelism": 1, "FailureAction": "pause", "MaxFailureRatio": 0, "Order": "stop-first"},
}
_CONTAINER = {"ContainerID": _DIGEST.removeprefix("sha256:"), "PID": 19533, "ExitCode": 0}
_NETWORK: Json = {
    "Version": {"Index": 231},
    "CreatedAt": "2026-01-01T00:00:00.718989261Z",
    "UpdatedAt": "2026-01-01T00:00:00.722628644Z",
    "DriverState": {"Name": "overlay", "Options": {"com.docker.network.driver.overlay.vxlanid_list": "4119"}},
    "IPAMOptions": {"Driver": {"Name": "default"}, "Configs": [{"Subnet": "127.0.0.0/8", "Gateway": "127.0.0.1"}]},
}


def _template(name: str) -> Json:
    return {
        "ContainerSpec": {
            "Image": f"registry.example.com/team/{name}:1.0.0@{_DIGEST}",
            "Labels": {"com.docker.stack.namespace": "team"},
            "Env": ["ENVIRONMENT=production", "LOG_LEVEL=info", f"DATABASE_HOST={name}-db"],
            "Init": False,
            "Privileges": {"CredentialSpec": None, "SELinuxContext": None},
            "StopGracePeriod": 10000000000,
            "DNSConfig": {},
            "Isolation": "default",
        },
        "Resources": {"Limits": {"MemoryBytes": 268435456}, "Reservations": {"MemoryBytes": 67108864}},
        "RestartPolicy": {"Condition": "any", "Delay": 5000000000, "MaxAttempts": 0},
        "Placement": {"Platforms": [{"Architecture": "amd64", "OS": "linux"}]},
        "Networks": [{"Target": NETWORK, "Aliases": [name]}],
        "ForceUpdate": 0,
        "Runtime": "container",
    }


class Swarm:
    """What can be done to the Swarm by command: each method is one, with JSON for arguments and result."""

    def __init__(self, docker: LargeDocker) -> None:
        self._docker = docker

    def build(self, world: World, size: int, port: int) -> None:
        """Create a whole world, quietly."""
        with self._docker.quietly():
            for each in services(world, size, port):
                self._docker.add_service(
                    each.name,
                    each.full_labels,
                    replicas=each.replicas,
                    networks=(NETWORK,),
                    endpoint_mode=each.endpoint_mode,
                )

    def add(self, kind: str, number: int, port: int, replicas: int = 0) -> None:
        """Create a service of a kind; ``replicas`` is its own choice if it is 0."""
        each = service_of(kind, number, port)
        self._docker.add_service(
            each.name,
            each.full_labels,
            replicas=replicas or each.replicas,
            networks=(NETWORK,),
            endpoint_mode=each.endpoint_mode,
        )

    def extend(self, world: World, first: int, count: int, port: int) -> None:
        """Create more services of a world, one event each."""
        for number in range(first, first + count):
            self.add(service(world, number, port).kind, number, port)

    def relabel(self, kind: str, number: int, port: int, turn: int) -> None:
        """Give a service one path more, another one in each turn."""
        each = relabelled(service_of(kind, number, port), turn)
        self._docker.update_service(each.name, each.full_labels)

    def remove(self, first: int, count: int = 1) -> None:
        """Remove services by their number."""
        for number in range(first, first + count):
            self._docker.remove_service(f"s{number:05d}")

    def add_scaled(self, number: int, port: int, replicas: int) -> None:
        """Create a service with an endpoint for each task, none of which runs yet."""
        each = service_of("tasks", number, port)
        self._docker.add_service(each.name, each.full_labels, replicas=replicas, running=0, networks=(NETWORK,))

    def scale(self, number: int, replicas: int) -> None:
        """Want another number of tasks; they stay as they are."""
        self._docker.update_service(f"s{number:05d}", replicas=replicas)

    def update(self, number: int, state: str) -> None:
        """Say how the update of a service goes: ``updating`` or ``completed``."""
        self._docker.update_service(f"s{number:05d}", update_state=state)

    def tasks(self, number: int) -> list[tuple[str, str]]:
        """Return the id and the address of each task of a service."""
        return [_identity(task) for task in self._docker.tasks_of(f"s{number:05d}")]

    def add_task(self, number: int, slot: int) -> tuple[str, str]:
        """Give a service one more task, which does not run yet."""
        return _identity(self._docker.add_task(f"s{number:05d}", slot=slot, state="starting"))

    def run_task(self, id_: str) -> None:
        """Have a task run."""
        task = self._docker.tasks[id_]
        task["Status"]["State"] = "running"
        task["Version"]["Index"] += 1
        self._docker.touch()

    def end_task(self, id_: str) -> None:
        """Want a task no longer."""
        self._docker.end_task(id_)

    def asked(self) -> int:
        """Return how many requests have been sent to it so far."""
        return self._docker.requests.total()

    def warm(self) -> list[int]:
        """Prepare the answers to `READS`, and return how many bytes each has."""
        return [len(self._docker.body(path, filters)) for path, filters in READS]


def _identity(task: Json) -> tuple[str, str]:
    return task["ID"], task["NetworksAttachments"][0]["Addresses"][0].split("/")[0]


class Engine:
    """A running engine, from outside: `call` has it do something."""

    def __init__(self, process: "subprocess.Popen[str]", docker_host: str) -> None:
        self._process = process
        self.docker_host = docker_host

    def call(self, command: str, *arguments: object) -> Any:  # noqa: ANN401 - what the method of `Swarm` returns
        """Call a method of `Swarm` and return its result.

        Raises:
            RuntimeError: the engine could not do it.
        """
        if self._process.stdin is None or self._process.stdout is None:
            raise RuntimeError("the engine has no pipes")
        self._process.stdin.write(json.dumps([command, *arguments]) + "\n")
        self._process.stdin.flush()
        answer = json.loads(self._process.stdout.readline() or '{"error": "the engine has ended"}')
        if "error" in answer:
            raise RuntimeError(f"{command}: {answer['error']}")
        return answer["result"]

    def timed(self, command: str, *arguments: object) -> float:
        """Call a method and return when it had been done, in the seconds of `time.monotonic`."""
        self.call(command, *arguments)
        return time.monotonic()


@contextmanager
def engine(socket: Path, world: World | None = None, size: int = 0, port: int = 0) -> Iterator[Engine]:
    """Run an engine on a unix socket, with a world if one is named, until the end of the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.engine", str(socket)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    ) as process:
        made = Engine(process, f"unix://{socket}")
        try:
            if world is not None:
                made.call("build", world, size, port)
            yield made
        finally:
            process.kill()


def main(arguments: Sequence[str]) -> None:
    """Run an engine until its input ends."""
    with LargeDocker(Path(arguments[0])) as docker:
        obey(Swarm(docker), sys.stdin, lambda answer: sys.stdout.write(answer + "\n") and sys.stdout.flush())


def obey(swarm: Swarm, commands: Iterable[str], say: Callable[[str], object]) -> None:
    """Do what each line asks for, and say how it went."""
    for line in commands:
        command, *rest = json.loads(line)
        try:
            say(json.dumps({"result": getattr(swarm, command)(*rest)}))
        except Exception as error:  # noqa: BLE001 - whatever it is, the other side has to know
            say(json.dumps({"error": repr(error)}))


if __name__ == "__main__":
    main(sys.argv[1:])
