"""DFSL's paths on the listener, its notifications, and services that are kept in the Swarm."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from fakes.fake_docker import FakeDocker, Fault
from roles.conftest import MakeListener, MakeProxy
from roles.processes import Role, eventually

TOKEN = "between us"
API_TOKEN = "of the operator"
BASE = "/v1/docker-flow-swarm-listener"


class Target:
    """Somebody who is notified: notes every request and answers what it is told to answer."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        self.statuses: list[int] = []
        target = self

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                parts = urlsplit(self.path)
                target.requests.append((self.command, parts.path, dict(parse_qsl(parts.query))))
                self.send_response(target.statuses.pop(0) if target.statuses else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            do_GET = do_POST = _answer  # noqa: N815 - the names are the library's

            def log_message(self, *_arguments: object) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        """Listen no more."""
        self._server.shutdown()
        self._server.server_close()

    def told(self, path: str) -> list[dict[str, str]]:
        """Return the parameters of the requests for a path."""
        return [query for _, asked, query in self.requests if asked == path]


@pytest.fixture
def target() -> Iterator[Target]:
    """Somebody who is notified."""
    made = Target()
    yield made
    made.close()


@pytest.fixture
def listener(make_listener: MakeListener, docker: FakeDocker, target: Target, folder: Path) -> Role:
    """A ready listener with a service ``web``, which notifies."""
    labels = {"com.df.notify": "true", "com.df.servicePath": "/web", "com.df.port": "80", "com.df.users": "ann:secret"}
    docker.add_service("web", labels, replicas=2)
    docker.nodes["n1"] = {
        "ID": "n1",
        "Version": {"Index": 7},
        "Spec": {"Role": "manager", "Availability": "active", "Labels": {"com.df.zone": "a", "other": "x"}},
        "Description": {"Hostname": "host1", "Engine": {"Labels": {"com.df.zone": "b", "com.df.disk": "ssd"}}},
        "Status": {"State": "ready", "Addr": "192.0.2.1"},
    }
    made = make_listener(
        DOCKER_HOST=docker.docker_host,
        LISTENER_TOKEN=TOKEN,
        API_TOKEN=API_TOKEN,
        STATE_DIR=str(folder / "listener"),
        DF_NOTIFY_CREATE_SERVICE_URL=f"{target.url}/create?own=1&key=url-secret",
        DF_NOTIFY_REMOVE_SERVICE_URL=f"{target.url}/remove",
        DF_NOTIFY_CREATE_SERVICE_METHOD="post",
        DF_NOTIFY_CREATE_NODE_URL=f"{target.url}/node",
        DF_NOTIFY_REMOVE_NODE_URL=f"{target.url}/node-gone",
        DF_RETRY_INTERVAL="0.2",
    )
    eventually(made.ready, "the listener is ready")
    return made


WEB = {
    "serviceName": "web",
    "servicePath": "/web",
    "port": "80",
    "users": "ann:secret",
    "distribute": "true",
    "replicas": "2",
}
NODE = {
    "id": "n1",
    "hostname": "host1",
    "address": "192.0.2.1",
    "versionIndex": "7",
    "state": "ready",
    "role": "manager",
    "availability": "active",
    "zone": "a",
    "disk": "ssd",
}


def test_lists(listener: Role, docker: FakeDocker) -> None:
    """Services as flat maps, for those who may have the snapshot; nodes and ping for everybody."""
    docker.add_service("global", {"com.df.notify": "true"}, replicas=None)
    docker.add_service("pending", {"com.df.notify": "true"}, running=0)
    url = f"http://127.0.0.1:{listener.api}{BASE}/get-services"

    def services() -> list[dict[str, Any]]:
        answer = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"})
        return list(answer.json()) if len(answer.json()) > 1 else []

    assert eventually(services, "both are there") == [{"serviceName": "global", "distribute": "true"}, WEB]
    assert httpx.get(url).status_code == 403
    assert listener.get(f"{BASE}/get-nodes").json() == [NODE]
    assert listener.get(f"{BASE}/ping").json() == {"Status": "OK"}

    docker.fail(Fault.ERROR, "/events")
    docker.fail(Fault.ERROR, "/nodes")
    docker.close_event_streams()
    assert listener.get(f"{BASE}/get-nodes").status_code == 500
    for operation in ("ListenForServiceEvents", "ListenForNodeEvents", "serveGetNodes"):
        eventually(
            lambda each=operation: listener.metric("docker_flow_error", operation=each, service="swarm_listener"),
            "the failure is counted",
        )


def test_notifications_converge(listener: Role, docker: FakeDocker, target: Target) -> None:
    """Everything is told once, merged with the URL's own arguments; what is refused is told until it is accepted."""
    own = {"own": "1", "key": "url-secret"}
    eventually(lambda: target.told("/create") == [{**own, **WEB}], "the service is told")
    eventually(lambda: target.told("/node") == [NODE], "the node is told")
    assert next(method for method, path, _ in target.requests if path == "/create") == "POST"
    assert listener.metric("docker_flow_service_count", service="swarm_listener") == 1

    target.statuses = [500, 500, 409]
    docker.update_service("web", {"com.df.notify": "true", "com.df.servicePath": "/new", "com.df.port": "80"})
    eventually(lambda: len(target.told("/create")) == 4, "it is told until it is accepted")
    assert target.told("/create")[-1]["servicePath"] == "/new"
    assert listener.metric(
        "docker_flow_error", operation="notificationSendCreateserviceRequest", service="swarm_listener"
    )
    assert f"Retrying service created notification to {target.url}/create (2 try)" in listener.words()

    listener.get(f"{BASE}/notify-services")
    eventually(lambda: len(target.told("/create")) == 5, "it is told again")

    listener.process.kill()  # type: ignore[union-attr]
    listener.process.wait()  # type: ignore[union-attr]
    docker.remove_service("web")
    docker.add_service("late", {"com.df.notify": "true"})
    listener.start()
    eventually(
        lambda: target.told("/remove") == [{"serviceName": "web", "distribute": "true"}],
        "what vanished while the listener was away is told",
    )
    eventually(lambda: target.told("/create")[-1]["serviceName"] == "late", "what came meanwhile is told")
    assert "secret" not in listener.words()


def test_a_declared_service_lives_in_the_swarm_and_reaches_all_proxies(
    listener: Role, docker: FakeDocker, make_proxy: MakeProxy, newest: Path, backend: int
) -> None:
    """``reconfigure`` at one proxy is a config object of the Swarm, there after everything has restarted."""
    address = f"127.0.0.1:{listener.api}"
    proxies = [
        make_proxy(newest, "--listener-address", address, LISTENER_TOKEN=TOKEN, API_TOKEN=API_TOKEN) for _ in range(2)
    ]
    for proxy in proxies:
        eventually(proxy.ready, "the proxy is ready")
    url = f"http://127.0.0.1:{proxies[0].api}/v1/docker-flow-proxy"
    known = {"Authorization": f"Bearer {API_TOKEN}"}
    parameters = {
        "serviceName": "shop",
        "servicePath": "/shop",
        "port": str(backend),
        "outboundHostname": "127.0.0.1",
    }

    assert httpx.get(f"{url}/reconfigure", params=parameters, timeout=20).status_code == 403
    answer = httpx.get(f"{url}/reconfigure", params=parameters, headers=known, timeout=20)
    assert answer.status_code == 200, answer.text
    assert [proxy.status("/shop") for proxy in proxies] == [200, 200]
    (config,) = docker.configs.values()
    assert config["Spec"]["Labels"] == {"swarmgate.declared": "service"}
    assert config["Spec"]["Name"].startswith("swarmgate-service-shop-")

    answer = httpx.get(f"{url}/reconfigure", params=parameters | {"servicePath": "/other"}, headers=known, timeout=20)
    assert answer.status_code == 200, answer.text
    assert len(docker.configs) == 1
    assert proxies[0].status("/other") == 200
    assert proxies[0].status("/shop") == 503

    announced = httpx.get(f"{url}/reconfigure", params={"serviceName": "web", "servicePath": "/x"}, timeout=20)
    assert announced.status_code == 200
    assert httpx.get(f"{url}/remove", params={"serviceName": "shop"}, timeout=20).status_code == 403
    assert httpx.get(f"{url}/remove", params={"serviceName": "gone"}, timeout=20).status_code == 200

    assert httpx.get(f"{url}/remove", params={"serviceName": "shop"}, headers=known, timeout=20).status_code == 200
    assert proxies[0].status("/other") == 503
    assert not docker.configs


def test_a_listener_without_a_token_keeps_nothing(make_listener: MakeListener, docker: FakeDocker) -> None:
    """It neither writes to the Swarm nor asks it for config objects."""
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TOKEN=TOKEN)
    eventually(made.ready, "the listener is ready")
    answer = httpx.put(f"http://127.0.0.1:{made.api}/v1/services/shop", json={"servicePath": "/"})

    assert answer.status_code == 403
    assert "dfp_api_token" in answer.json()["detail"]
    assert docker.requests["/configs"] == 0
    assert json.dumps(docker.configs) == "{}"


def test_where_tasks_run_and_a_look_from_time_to_time(
    make_listener: MakeListener, docker: FakeDocker, target: Target
) -> None:
    """``DF_DOCKER_HOST`` goes first, events may be left alone, and ``nodeInfo`` follows the tasks."""
    docker.nodes["node1"] = {"ID": "node1", "Spec": {}, "Description": {"Hostname": "host1"}, "Status": {}}
    labels = {"com.df.notify": "true", "com.df.scrapeNetwork": "front"}
    docker.add_service("web", labels, networks=("back", "front"))
    made = make_listener(
        DF_DOCKER_HOST=docker.docker_host,
        DOCKER_HOST="tcp://127.0.0.1:1",
        LISTENER_TOKEN=TOKEN,
        DF_NOTIFY_CREATE_SERVICE_URL=f"{target.url}/create",
        DF_INCLUDE_NODE_IP_INFO="true",
        DF_SERVICE_POLLING_INTERVAL="1",
        DF_NODE_POLLING_INTERVAL="60",
        DF_USE_DOCKER_SERVICE_EVENTS="false",
        DF_USE_DOCKER_NODE_EVENTS="false",
    )

    def told() -> list[list[str]]:
        said = target.told("/create")
        return sorted(json.loads(said[-1].get("nodeInfo", "[]"))) if said else []

    def places() -> list[list[str]]:
        attached = (task["NetworksAttachments"][1]["Addresses"][0] for task in docker.tasks_of("web"))
        return sorted(["host1", address.partition("/")[0], "node1"] for address in attached)

    eventually(lambda: told() == places(), "it is told where the task runs")
    docker.add_task("web", slot=2)
    eventually(lambda: told() == places(), "it is told of the second task")
    assert docker.requests["/nodes"] == 1
    assert docker.requests["/events"] == 0
    assert made.words().count("Variables that change nothing") == 1
    url = f"http://127.0.0.1:{made.api}{BASE}/get-services"
    (listed,) = httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).json()
    assert sorted(json.loads(listed["nodeInfo"])) == places()
