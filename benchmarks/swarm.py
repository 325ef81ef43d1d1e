"""On a real Swarm with many services: from a change that is sent to Docker to the first request that is routed by it.

Nearly all of the services have tasks that no node can take: they are services like any other to the controller, and
cost the machine nothing. What is created here bears a label of its own, is published by a label of its own, and is
removed.
"""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import httpx

from benchmarks import ROOT
from benchmarks.context import Context, UnmeasurableError
from benchmarks.measurement import Finding, Limit, Measurement, median, percentile
from benchmarks.roles import TOKEN, eventually, status
from benchmarks.world import Request, services

_SOCKET = "/var/run/docker.sock"
_IMAGE = "swarmgate/swarmgate:bench"
_DEMO = "swarmgate-test/demo"
_OURS = {"swarmgate-bench": "yes"}
_NOTIFY = "com.df.benchmark"
_NETWORK, _LISTENER, _PROXY, _SERVICE = "bench-proxy-network", "bench-listener", "bench-proxy", "bench-service"
_NOWHERE = "node.labels.swarmgate-bench==nowhere"
_FIRST = "first.example.com"
_MEDIAN, _SLOWEST = Limit(at_most=0.3), Limit(at_most=1)
_LIMIT = 90.0


class Docker:
    """A manager's API."""

    def __init__(self) -> None:
        transport = httpx.HTTPTransport(uds=_SOCKET)
        self._client = httpx.Client(transport=transport, base_url="http://docker/v1.41", timeout=60)

    def is_manager(self) -> bool:
        """Tell whether there is a Swarm that this engine manages."""
        try:
            return bool(self.ask("GET", "/info")["Swarm"]["ControlAvailable"])
        except (httpx.HTTPError, KeyError):
            return False

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Any:  # noqa: ANN401 - Docker's JSON
        """Send a request and return what the answer says.

        Raises:
            httpx.HTTPStatusError: the engine refuses.
        """
        answer = self._client.request(method, path, json=body, params=query).raise_for_status()
        return answer.json() if answer.content else None

    def create(self, name: str, template: dict[str, Any], **more: Any) -> None:  # noqa: ANN401 - Docker's JSON
        """Create a service with one task."""
        spec = {"Name": name, "TaskTemplate": template, "Mode": {"Replicated": {"Replicas": 1}}, **more}
        spec["Labels"] = {**_OURS, **more.get("Labels", {})}
        self.ask("POST", "/services/create", spec)

    def relabel(self, name: str, **labels: str) -> None:
        """Change labels of a service."""
        service = self.ask("GET", f"/services/{name}")
        service["Spec"]["Labels"] |= {f"com.df.{label}": value for label, value in labels.items()}
        self.ask("POST", f"/services/{name}/update", service["Spec"], version=str(service["Version"]["Index"]))

    def clean(self) -> None:
        """Remove all that was ever created here."""
        for service in self.ask("GET", "/services", filters='{"label": ["swarmgate-bench"]}'):
            self.ask("DELETE", f"/services/{service['ID']}")
        eventually(self._network_is_gone, "the network is gone", limit=_LIMIT)

    def _network_is_gone(self) -> bool:
        networks = self.ask("GET", "/networks", filters='{"label": ["swarmgate-bench"]}')
        for network in networks:
            with suppress(httpx.HTTPStatusError):  # a task is still attached to it
                self.ask("DELETE", f"/networks/{network['Id']}")
            time.sleep(0.5)
        return not networks

    def port(self, name: str, target: int) -> int:
        """Return the machine's port that leads to a port of the only task of a service; 0 while there is none."""
        tasks = self.ask(
            "GET", "/tasks", filters=f'{{"service": {{"{name}": true}}, "desired-state": {{"running": true}}}}'
        )
        for task in tasks:
            for port in task["Status"].get("PortStatus", {}).get("Ports", ()):
                if port["TargetPort"] == target:
                    return int(port["PublishedPort"])
        return 0


def run(context: Context) -> Iterator[Finding]:
    """Measure it, if there is a Swarm."""
    docker = Docker()
    if not docker.is_manager():
        raise UnmeasurableError("no engine: bring one up with tests/testbed/up")
    size, rounds = context.rounds(full=1_000, quick=300), context.rounds(full=100, quick=20)
    _build()
    docker.clean()
    try:
        with _deployed(docker, size) as port:
            seconds = [_until_routed(docker, port, turn) for turn in range(rounds)]
    finally:
        docker.clean()
    name = f"a change in a real Swarm to the first request routed, {size:,} services"
    yield Measurement(f"{name}: median", median(seconds), "s", _MEDIAN, note=f"{rounds} changes")
    yield Measurement(f"{name}: p99", percentile(seconds, 99), "s", _SLOWEST, note=f"longest {max(seconds):.2f} s")


def _build() -> None:
    """Make the image of this source tree, on the manager only, where everything of this will run."""
    command = ["docker", "--host", f"unix://{_SOCKET}", "build", "--network", "host", "--tag", _IMAGE, "."]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise UnmeasurableError(f"the image cannot be built: {(done.stdout + done.stderr)[-300:]}")


@contextmanager
def _deployed(docker: Docker, size: int) -> Iterator[int]:
    """Deploy a listener, a proxy, a service and many that stay pending; give the proxy's port when it is routed."""
    docker.ask("POST", "/networks/create", {"Name": _NETWORK, "Driver": "overlay", "Labels": _OURS, "Attachable": True})
    for each in services("plain", size, 8080):
        labels = {name: value for name, value in each.full_labels.items() if not name.endswith(".notify")}
        docker.create(f"bench-{each.name}", _template(_DEMO, nowhere=True), Labels={**labels, _NOTIFY: "yes"})
    # Not every kernel forwards to virtual IPs; the proxy finds the listener's own address as well.
    dnsrr = {"Mode": "dnsrr"}
    docker.create(_LISTENER, _role("listener"), EndpointSpec=dnsrr)
    docker.create(_PROXY, _role("proxy", f"LISTENER_ADDRESS={_LISTENER}"), EndpointSpec=_published(80))
    labels = {_NOTIFY: "yes", "com.df.port": "8080", "com.df.servicePath": "/demo", "com.df.serviceDomain": _FIRST}
    docker.create(_SERVICE, _template(_DEMO, networks=(_NETWORK,)), Labels=labels, EndpointSpec=dnsrr)
    eventually(lambda: docker.port(_PROXY, 80) > 0, "the proxy runs", limit=_LIMIT)
    port = docker.port(_PROXY, 80)
    eventually(lambda: status(port, Request("/demo/hello", _FIRST)) == 200, "the service is routed", limit=_LIMIT)
    yield port


def _until_routed(docker: Docker, port: int, turn: int) -> float:
    """Have the service routed by another domain, and return the seconds until it is, Docker's own part included."""
    domain = f"turn-{turn}.example.com"
    if status(port, Request("/demo/hello", domain)) == 200:
        raise RuntimeError(f"{domain} is routed before anybody asked for it")
    began = time.monotonic()
    docker.relabel(_SERVICE, serviceDomain=domain)
    return eventually(lambda: status(port, Request("/demo/hello", domain)) == 200, f"{domain} is routed") - began


def _role(command: str, *environment: str) -> dict[str, Any]:
    """Return the task of a role; the listener may read the engine's socket, whoever may do so on this machine."""
    template = _template(_IMAGE, networks=(_NETWORK,))
    mount = {"Type": "bind", "Source": _SOCKET, "Target": _SOCKET, "ReadOnly": True}
    template["ContainerSpec"] |= {
        "Args": [command],
        "Healthcheck": {"Interval": 1_000_000_000},
        "Env": [f"LISTENER_TOKEN={TOKEN}", f"DF_NOTIFY_LABEL={_NOTIFY}", *environment],
        **({"User": "root", "Mounts": [mount]} if command == "listener" else {}),
    }
    return template


def _template(image: str, *, networks: tuple[str, ...] = (), nowhere: bool = False) -> dict[str, Any]:
    constraint = _NOWHERE if nowhere else "node.role==manager"
    return {
        "ContainerSpec": {"Image": image},
        "Placement": {"Constraints": [constraint]},
        "Networks": [{"Target": network} for network in networks],
    }


def _published(port: int) -> dict[str, Any]:
    return {"Mode": "dnsrr", "Ports": [{"Protocol": "tcp", "TargetPort": port, "PublishMode": "host"}]}
