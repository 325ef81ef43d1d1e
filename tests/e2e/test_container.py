"""The image as a plain container: what it may do, when it is healthy, and how it survives and ends."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from e2e.bench import API, DEMO_IMAGE, HTTP, IMAGE, OURS, Answer, Container, Node, Swarm, eventually, steadily

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(120)]

NETWORK = "swarmgate-e2e"
HAPROXY_USER = "99"
STACK_FILE = """
services:
  web:
    deploy:
      labels:
        com.df.notify: "true"
        com.df.servicePath: {path}
        com.df.port: "8080"
"""


@pytest.fixture(scope="module")
def node(swarm: Swarm) -> Iterator[Node]:
    """The first node, with a network and the demo service's container on it, called ``web``."""
    node = swarm.nodes[0]
    node.docker("network", "create", "--label", OURS, NETWORK)
    demo = node.docker("run", "--detach", "--label", OURS, "--network", NETWORK, "--network-alias", "web", DEMO_IMAGE)
    yield node
    node.docker("rm", "--force", "--volumes", demo)
    node.docker("network", "rm", NETWORK)


@pytest.fixture
def stack_file(tmp_path: Path) -> Path:
    """Where the container finds its stack file, once it has been written."""
    tmp_path.chmod(0o755)
    return tmp_path / "stack.yml"


@pytest.fixture
def container(node: Node, stack_file: Path) -> Iterator[Container]:
    """A proxy in a container that is allowed nothing it does not need; its stack file is still to be written."""
    id_ = node.docker(
        *("run", "--detach", "--label", OURS, "--network", NETWORK),
        *("--health-interval", "1s"),
        *("--read-only", "--cap-drop", "ALL", "--security-opt", "no-new-privileges"),
        *("--tmpfs", "/run/swarmgate", "--tmpfs", "/var/lib/swarmgate"),
        *("--publish", f"127.0.0.1::{HTTP}", "--publish", f"127.0.0.1::{API}"),
        *("--volume", f"{stack_file.parent}:/stack:ro"),
        *(IMAGE, "proxy", "--stack-file", "/stack/stack.yml"),
    )
    container = Container(node, id_)
    yield container
    node.docker("rm", "--force", "--volumes", id_)


def declare(stack_file: Path, path: str = "/demo") -> None:
    """Put a stack file in place in one step."""
    new = stack_file.with_suffix(".new")
    new.write_text(STACK_FILE.format(path=path))
    new.replace(stack_file)


def answers(container: Container, path: str = "/demo/hello") -> bool:
    """Tell whether the demo service answers through the container."""
    return container.get(path).status == 200


def connects(container: Container) -> bool:
    """Tell whether anything at all answers HTTP requests."""
    try:
        return container.get("/").status > 0
    except OSError:
        return False


def test_it_is_healthy_only_after_the_first_convergence(container: Container, stack_file: Path) -> None:
    """Without a world it is alive but neither healthy nor open for traffic; with one it is both at once."""
    eventually(lambda: container.get("/healthz", target=API).status == 200)
    eventually(lambda: bool(container.state["Health"]["Log"]))

    def waits() -> None:
        assert container.get("/readyz", target=API).status == 503
        assert container.health == "starting"
        assert not connects(container)

    steadily(waits, during=2)
    declare(stack_file)
    eventually(lambda: container.health == "healthy")
    assert answers(container)


def test_it_runs_without_any_privilege(container: Container, stack_file: Path) -> None:
    """All its processes run as HAProxy's user, can gain nothing, and can write nowhere but in two folders."""
    declare(stack_file)
    eventually(lambda: answers(container))
    pids = sorted({1, container.controller_pid(), *container.haproxy_pids()})
    statuses = container.python(f"print(*(open(f'/proc/{{pid}}/status').read() for pid in {pids}), sep='\\n')")
    facts = {
        name: {line.split(":")[1].split()[0] for line in statuses.splitlines() if line.startswith(f"{name}:")}
        for name in ("Uid", "Gid", "NoNewPrivs", "CapEff", "CapPrm", "CapBnd")
    }
    none = {"0" * 16}
    assert facts == {
        "Uid": {HAPROXY_USER},
        "Gid": {HAPROXY_USER},
        "NoNewPrivs": {"1"},
        "CapEff": none,
        "CapPrm": none,
        "CapBnd": none,
    }
    writable = container.python(
        "import os\n"
        "for top, folders, _ in os.walk('/'):\n"
        "    folders[:] = [f for f in folders if (top, f) not in {('/', 'proc'), ('/', 'sys'), ('/', 'dev')}]\n"
        "    if os.access(top, os.W_OK): print(top); folders.clear()"
    )
    assert set(writable.split()) == {"/run/swarmgate", "/var/lib/swarmgate"}


@pytest.mark.fault("controller", "it is killed in its container")
def test_traffic_flows_while_the_controller_is_killed_and_the_next_one_adopts_haproxy(
    container: Container, stack_file: Path
) -> None:
    """HAProxy is not touched by a controller's death; the next controller goes on with the same processes."""
    declare(stack_file)
    eventually(lambda: answers(container))
    controller, haproxy = container.controller_pid(), container.haproxy_pids()
    assert len(haproxy) == 2

    with ThreadPoolExecutor() as pool:
        over: list[bool] = []
        stream = pool.submit(request_until, container, over)
        try:
            container.kill(controller)
            eventually(lambda: container.controller_pid() != controller)
            eventually(lambda: container.get("/readyz", target=API).status == 200)
        finally:
            over.append(True)
        statuses = stream.result()
    assert len(statuses) > 50
    assert set(statuses) == {200}

    declare(stack_file, path="/demo/hello")
    eventually(lambda: container.get("/demo/person").status == 503)
    assert answers(container)
    assert container.haproxy_pids() == haproxy
    eventually(lambda: container.health == "healthy")


def request_until(container: Container, over: list[bool]) -> list[int]:
    """Send one request after the other until told that it is over; return the status of each."""
    statuses = []
    while not over:
        statuses.append(container.get("/demo/hello").status)
    return statuses


def test_it_drains_when_it_is_stopped(container: Container, stack_file: Path) -> None:
    """On SIGTERM a request that is being answered gets its answer, no new one is taken, and the exit status is 0."""
    declare(stack_file)
    eventually(lambda: answers(container))
    with ThreadPoolExecutor() as pool:
        slow = pool.submit(lambda: container.get("/demo/slow?ms=3000", timeout=10))
        eventually(lambda: container.is_busy_with("web"))
        began = time.monotonic()
        stopping = pool.submit(container.node.docker, "stop", "--time", "40", container.id)
        eventually(lambda: not connects(container))
        assert container.state["Running"]
        answer: Answer = slow.result()
        stopping.result()
    assert answer.status == 200
    assert time.monotonic() - began < 15
    assert container.state["ExitCode"] == 0
