"""The real Swarm for the end-to-end tests: the image, the networks, a listener and a proxy as a user deploys them."""

import contextlib
import hashlib
import os
import subprocess
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest
from e2e.bench import API, HARDENED, HTTP, IMAGE, OURS, QUICK, ROOT, SOCKET, Node, Proxy, Service, Swarm, request

_INPUTS = ("Dockerfile", ".dockerignore", "pyproject.toml", "requirements.lock", "README.md")
_PACKAGES = ("controller", "models", "render")
_INPUTS_LABEL = "swarmgate-test.inputs"
_LOGGED_LINES = 60


def find_swarm(docker_engine: str) -> Swarm:
    """Return the Swarm of the testbed, which this engine manages; skip the test if it is another Swarm."""
    settings = ROOT / "tests/testbed/settings.env"
    names = ("NODE_1_SOCKET", "NODE_2_SOCKET", "NODE_2_ADDRESS")
    script = f'. "$0" && printf "%s\\n" {" ".join(f"${name}" for name in names)}'
    values = subprocess.run(["bash", "-c", script, str(settings)], capture_output=True, text=True, check=False)
    first, second, address = values.stdout.split()
    node_2 = Node("node-2", second, address)
    with contextlib.suppress(subprocess.SubprocessError):
        if (
            docker_engine == f"unix://{first}"
            and node_2.docker("info", "--format", "{{.Swarm.LocalNodeState}}") == "active"
        ):
            return Swarm((Node("node-1", first, "127.0.0.1"), node_2))
    pytest.skip("there is no Docker Swarm of two nodes here; bring it up with: tests/testbed/up")


def build_image(swarm: Swarm) -> str:
    """Bring the image of this source tree to all nodes, unless it is there already."""
    inputs = _digest_of_inputs(swarm)
    if _label_of_image(swarm.nodes[0]) != inputs:
        command = ["docker", "build", "--network", "host", "--label", f"{_INPUTS_LABEL}={inputs}", "--tag", IMAGE, "."]
        done = subprocess.run(
            command, cwd=ROOT, env={**os.environ, "DOCKER_BUILDKIT": "0"}, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
    if _label_of_image(swarm.nodes[1]) != inputs:
        _copy_image(*swarm.nodes)
    return IMAGE


def _copy_image(source: Node, target: Node) -> None:
    with subprocess.Popen(
        ["docker", "--host", f"unix://{source.socket}", "save", IMAGE], stdout=subprocess.PIPE
    ) as save:
        subprocess.run(
            ["docker", "--host", f"unix://{target.socket}", "load", "--quiet"],
            stdin=save.stdout,
            stdout=subprocess.DEVNULL,
            check=True,
        )
    assert save.returncode == 0


def _digest_of_inputs(swarm: Swarm) -> str:
    digest = hashlib.sha256(swarm.docker("image", "inspect", "--format", "{{.Id}}", "haproxy:3.4").encode())
    files = [ROOT / name for name in _INPUTS]
    for package in _PACKAGES:
        files += (path for path in sorted((ROOT / package).rglob("*")) if path.is_file() and _shipped(path))
    for path in files:
        digest.update(f"{path.relative_to(ROOT)} {path.stat().st_size} ".encode() + path.read_bytes())
    return digest.hexdigest()[:32]


def _shipped(path: Path) -> bool:
    return "__pycache__" not in path.parts


def _label_of_image(node: Node) -> str:
    try:
        return node.docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{_INPUTS_LABEL}"}}}}', IMAGE)
    except subprocess.CalledProcessError:
        return ""


@pytest.fixture(scope="session")
def swarm(docker_engine: str) -> Iterator[Swarm]:
    """The Swarm, with nothing of these tests in it, neither before nor after; with the image on all nodes."""
    swarm = find_swarm(docker_engine)
    build_image(swarm)
    swarm.clean()
    yield swarm
    swarm.clean()


@pytest.fixture(scope="session")
def networks(swarm: Swarm) -> None:
    """The two networks of the walk-through."""
    swarm.create_network("proxy")
    swarm.create_network("go-demo")


@pytest.fixture(scope="session")
def listener(swarm: Swarm, networks: None) -> Service:  # noqa: ARG001 - it attaches itself to them
    """The listener on the manager. Without its capabilities, root is only the owner of the Docker socket."""
    return swarm.create(
        "swarm-listener",
        *("--network", "proxy", "--constraint", "node.role==manager", "--user", "root", *SOCKET, *HARDENED, *QUICK),
        image=IMAGE,
        command=("listener",),
    )


@pytest.fixture(scope="session")
def proxy(swarm: Swarm, listener: Service) -> Proxy:
    """One proxy. Its ports are any free ones of its node's, so that several replicas fit on one."""
    options = ("--network", "proxy", "--env", f"LISTENER_ADDRESS={listener.name}", *HARDENED, *QUICK)
    ports = (option for port in (HTTP, API) for option in ("--publish", f"mode=host,target={port}"))
    swarm.create("proxy", *options, *ports, image=IMAGE)
    proxy = Proxy(swarm, "proxy")
    proxy.wait_for(1)
    return proxy


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show with a failure what the proxies and the listener say."""
    report = yield
    used = item.funcargs if isinstance(item, pytest.Function) else {}
    if report.failed and "container" in used:
        report.sections.append(("what the container says", used["container"].logs(_LOGGED_LINES)))
    elif report.failed and "swarm" in used:
        report.sections.append(("what the Swarm says", "\n".join(_report(used["swarm"]))))
    return report


def _report(swarm: Swarm) -> Iterator[str]:
    for name in swarm.docker("service", "ls", "--filter", f"label={OURS}", "--format", "{{.Name}}").split():
        yield f"--- {name}\n" + swarm.docker("service", "ps", "--no-trunc", name)
        if "swarmgate" not in swarm.docker(
            "service", "inspect", "--format", "{{.Spec.TaskTemplate.ContainerSpec.Image}}", name
        ):
            continue
        for container in swarm.containers(name):
            yield f"--- {name} {container.id[:12]} on {container.node.name}\n{container.logs(_LOGGED_LINES)}"
            try:
                yield request(container.node.address, container.port(API), "/v1/services").body
            except (OSError, KeyError, TypeError) as error:
                yield f"no /v1/services: {error!r}"
