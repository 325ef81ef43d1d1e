"""The HAProxy before the Docker socket: the listener works through it, and nobody can do more through it than read."""

import re
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from binaries import VERSIONS, haproxy_binary
from fakes.fake_docker import FakeDocker
from haproxy.loopback import free_port
from roles.conftest import MakeListener, make_listener
from roles.processes import ask, eventually

__all__ = ["make_listener"]

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "swarmgate"
TOKEN = {"Authorization": "Bearer t"}


@pytest.fixture
def docker(folder: Path) -> Iterator[FakeDocker]:
    """An engine that listens on a socket, with a service."""
    with FakeDocker(folder / "docker.sock") as engine:
        engine.add_service("web", {"com.df.notify": "true", "com.df.servicePath": "/web"}, replicas=1)
        yield engine


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in (VERSIONS[0], VERSIONS[-1])])
def port(request: pytest.FixtureRequest, folder: Path, docker: FakeDocker) -> Iterator[int]:
    """The port of the filter before it, which is the chart's but for where it listens and where the socket is."""
    number = free_port()
    text = (CHART / "socket-proxy.cfg").read_text(encoding="utf-8")
    assert (text.count("bind :2375"), text.count("/var/run/docker.sock")) == (1, 1)
    config = folder / "socket-proxy.cfg"
    text = text.replace("bind :2375", f"bind 127.0.0.1:{number}").replace(
        "/var/run/docker.sock", f"{folder}/docker.sock"
    )
    config.write_text(text, encoding="utf-8")
    with subprocess.Popen([haproxy_binary(str(request.param)), "-f", config]) as process:
        eventually(lambda: answered(number, "GET", "/version") == 200, "the filter answers")
        docker.requests.clear()
        yield number
        process.kill()


def answered(port: int, method: str, path: str, *headers: str, body: str = "") -> int:
    """Send a request exactly as it is written, and return the status; 0 if there is no answer."""
    head = "".join(
        f"{line}\r\n" for line in (f"{method} {path} HTTP/1.1", "Host: docker", "Connection: close", *headers)
    )
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
            connection.sendall(f"{head}\r\n{body}".encode())
            found = re.match(rb"HTTP/1\.[01] (\d+)", connection.makefile("rb").readline())
    except OSError:
        return 0
    return int(found[1]) if found else 0


def documented() -> set[str]:
    """Return the paths that are read, as the documentation lists them, less those that changes need."""
    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    table = page.partition("## What is asked of the Docker API")[2]
    rows = re.findall(r"^\| `GET (/[a-z]+)` \| (.*) \|$", table, re.MULTILINE)
    return {path for path, when in rows if "if changes through the API are enabled" not in when}


def test_the_listener_works_through_it(docker: FakeDocker, port: int, make_listener: MakeListener) -> None:
    """It reads the world, hears of changes, and asks for nothing that is not let through."""
    listener = make_listener(DOCKER_HOST=f"tcp://127.0.0.1:{port}", LISTENER_TOKEN="t", DF_INCLUDE_NODE_IP_INFO="true")
    eventually(listener.ready, "the listener is ready")
    assert listener.get("/v1/docker-flow-swarm-listener/get-nodes").is_success

    docker.add_service("late", {"com.df.notify": "true", "com.df.servicePath": "/late"}, replicas=1)
    url = f"http://127.0.0.1:{listener.api}/v1/snapshot"
    eventually(lambda: "late" in ask(url, headers=TOKEN).text, "the change is known")
    assert documented() == {"/version", "/services", "/tasks", "/events", "/nodes"}
    assert set(docker.requests) <= documented()
    assert "403" not in listener.words()


@pytest.mark.parametrize("version", ["", "/v1.41"])
def test_what_is_documented_is_let_through(port: int, version: str) -> None:
    for path in documented() - {"/events"}:
        assert answered(port, "GET", f"{version}{path}") == 200


@pytest.mark.parametrize(
    "request_line",
    [
        *(
            "GET /configs",
            "GET /secrets",
            "GET /containers/json",
            "GET /info",
            "GET /swarm",
            "GET /services/x",
            "GET /",
        ),
        *("POST /configs/create", "POST /services/create", "POST /containers/create", "DELETE /services/web"),
        *("HEAD /services", "POST /services", "PUT /nodes", "OPTIONS /services", "CONNECT docker:80", "GET /session"),
        *(
            "GET /v1.41//secrets",
            "GET /v1.41/services/../secrets",
            "GET /v1.41/%73ecrets",
            "GET /services%2f..%2fswarm",
        ),
        *("GET /v1.41/services/", "GET //services", "GET /x/services", "GET /v1.41/v1.41/services", "GET /services;/x"),
    ],
)
def test_all_else_is_refused_before_the_engine_sees_it(docker: FakeDocker, port: int, request_line: str) -> None:
    method, _, path = request_line.partition(" ")

    assert answered(port, method, path) in {400, 403}
    assert not docker.requests


def test_nobody_speaks_to_the_engine_in_another_way(docker: FakeDocker, port: int) -> None:
    """Neither by an upgrade nor by a request behind a body that only one of the two sees."""
    assert answered(port, "GET", "/services", "Upgrade: tcp", "Connection: Upgrade") == 403
    smuggled = "0\r\n\r\nPOST /services/create HTTP/1.1\r\nHost: docker\r\n\r\n"
    assert answered(port, "GET", "/services", "Transfer-Encoding: chunked", body=smuggled) == 403
    assert not docker.requests


def test_the_stack_gives_the_socket_to_the_filter_alone() -> None:
    """The file that is laid over the stack takes it from the listener."""
    stack = yaml.safe_load((CHART / "stack.yml").read_text(encoding="utf-8"))
    over = yaml.safe_load((CHART / "socket-proxy.yml").read_text(encoding="utf-8"))
    socket_of = {
        (name, volume["target"]): volume["source"]
        for each in (stack, over)
        for name, service in each["services"].items()
        for volume in service.get("volumes", ())
        if volume["type"] == "bind"
    }
    place = "/var/run/docker.sock"
    assert socket_of == {("swarm-listener", place): "/dev/null", ("docker", place): place}
    assert over["services"]["docker"]["networks"] == ["docker"]
    assert over["networks"]["docker"]["internal"]
