"""``swarmgate listener`` with proxies behind it: who may have the snapshot, and what happens when one side is away."""

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fakes.fake_docker import FakeDocker
from haproxy.loopback import free_port
from roles.conftest import MakeListener, MakeProxy
from roles.processes import Proxy, Role, eventually

TOKEN = "between us"
HERE = "127.0.0.1"


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    """A manager's engine."""
    with FakeDocker() as engine:
        yield engine


@pytest.fixture
def listener(make_listener: MakeListener, docker: FakeDocker) -> Role:
    """A ready listener that knows its proxies by a token."""
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TOKEN=TOKEN)
    eventually(made.ready, "the listener is ready")
    return made


def publish(docker: FakeDocker, name: str, port: int) -> None:
    """Create a service at ``/<name>`` that listens on this machine."""
    labels = {"servicePath": f"/{name}", "port": str(port), "outboundHostname": "127.0.0.1", "notify": "true"}
    docker.add_service(name, {f"com.df.{label}": value for label, value in labels.items()})


@pytest.fixture
def follow(make_proxy: MakeProxy, newest: Path, listener: Role) -> list[Proxy]:
    """Two ready proxies that follow the listener."""
    proxies = [
        make_proxy(newest, "--listener-address", f"127.0.0.1:{listener.api}", LISTENER_TOKEN=TOKEN) for _ in range(2)
    ]
    for proxy in proxies:
        eventually(proxy.ready, "the proxy is ready")
    return proxies


def test_every_proxy_converges_and_the_listener_knows(
    docker: FakeDocker, listener: Role, follow: list[Proxy], backend: int
) -> None:
    """A change reaches all proxies, and the listener can tell that it has."""
    publish(docker, "web", backend)

    for proxy in follow:
        eventually(lambda proxy=proxy: proxy.status("/web") == 200, "the proxy routes to the new service")
        assert proxy.reloads == 0
    replicas = eventually(
        lambda: [each for each in listener.get("/v1/replicas").json() if each["converged"]], "a replica has converged"
    )
    assert {each["address"] for each in replicas} == {"127.0.0.1"}


def test_routes_stay_while_the_listener_is_away(
    docker: FakeDocker, listener: Role, follow: list[Proxy], backend: int
) -> None:
    """Nothing is withdrawn for its absence; what changed meanwhile is caught up with, removals too."""
    publish(docker, "web", backend)
    publish(docker, "shop", backend)
    for proxy in follow:
        eventually(lambda proxy=proxy: proxy.status("/shop") == 200, "the service answers")

    listener.send(signal.SIGKILL)
    docker.remove_service("shop")
    publish(docker, "late", backend)
    for proxy in follow:
        eventually(lambda proxy=proxy: "cannot" in proxy.words() or "unreachable" in proxy.words(), "it is told")
        assert proxy.status("/web") == 200
        assert proxy.ready()

    listener.start()
    for proxy in follow:
        eventually(lambda proxy=proxy: proxy.status("/late") == 200, "the new service answers")
        eventually(lambda proxy=proxy: proxy.status("/shop") == 503, "the removed service is gone")
        assert proxy.status("/web") == 200


def test_a_restarted_proxy_serves_at_once_without_its_listener(
    docker: FakeDocker, listener: Role, follow: list[Proxy], backend: int
) -> None:
    """The last good snapshot survives a restart, and HAProxy is started from it."""
    publish(docker, "web", backend)
    proxy = follow[0]
    eventually(lambda: proxy.status("/web") == 200, "the service answers")

    listener.send(signal.SIGKILL)
    proxy.send(signal.SIGTERM)
    proxy.start()

    eventually(lambda: proxy.status("/web") == 200, "the service answers again")
    eventually(proxy.ready, "it is ready")


def test_a_proxy_waits_for_its_first_world(make_proxy: MakeProxy, newest: Path) -> None:
    """Without any snapshot ever, HAProxy is not started and the replica is not ready."""
    proxy = make_proxy(newest, "--listener-address", "127.0.0.1:1")
    answer = eventually(lambda: proxy.get("/readyz"), "the API answers")

    assert answer.status_code == 503
    assert proxy.master == 0


def test_the_snapshot_is_for_those_who_know_the_token(listener: Role) -> None:
    """Labels may hold passwords, so nobody else gets them."""
    url = f"http://127.0.0.1:{listener.api}/v1/snapshot"

    assert httpx.get(url).status_code == 403
    assert httpx.get(url, headers={"Authorization": "Bearer wrong"}).status_code == 403
    assert httpx.get(url, headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200


@dataclass(frozen=True)
class Tokenless:
    """A listener that knows its proxies by their addresses, and one that follows it."""

    listener: Role
    proxy: Proxy


@pytest.fixture
def tokenless(make_listener: MakeListener, make_proxy: MakeProxy, newest: Path, docker: FakeDocker) -> Tokenless:
    """Start both; nobody is a task of the proxy service yet."""
    port = free_port()
    listener = make_listener(DOCKER_HOST=docker.docker_host, PROXY_PORT=str(port))
    return Tokenless(listener, make_proxy(newest, api=port, LISTENER_ADDRESS=f"{HERE}:{listener.api}"))


def run_here(docker: FakeDocker, name: str, labels: Mapping[str, str] | None = None) -> None:
    """Have a service with a task at this machine's address."""
    docker.add_service(name, labels or {}, replicas=1)
    docker.tasks_of(name)[0]["NetworksAttachments"][0]["Addresses"] = [f"{HERE}/8"]
    docker.touch()


def test_without_a_token_the_snapshot_is_for_controllers_of_the_proxy_service(
    docker: FakeDocker, tokenless: Tokenless
) -> None:
    """The Swarm itself says who they are; the name must be exactly that of the service."""
    run_here(docker, "proxy-2")
    eventually(lambda: "status 403" in tokenless.proxy.get("/readyz").json()["message"], "it is refused")

    run_here(docker, "proxy")
    eventually(tokenless.proxy.ready, "the proxy's task may have it")
    assert "does not say that it has asked" in tokenless.listener.get("/v1/snapshot").json()["detail"]


def test_nobody_gets_the_snapshot_through_the_proxy(docker: FakeDocker, tokenless: Tokenless) -> None:
    """What HAProxy passes on comes from an address that may have it, and yet is from somebody else."""
    run_here(docker, "proxy")
    port = str(tokenless.listener.api)
    labels = {"notify": "true", "servicePath": "/v1", "port": port, "discoveryType": "tasks"}
    run_here(docker, "swarm-listener", {f"com.df.{name}": value for name, value in labels.items()})
    proxy = tokenless.proxy

    eventually(lambda: proxy.status("/v1/replicas") == 200, "whoever labels the listener's own service may open it")
    for headers in ({}, {"Swarmgate-Word": "x"}):
        answer = proxy.through("/v1/snapshot", **headers)
        assert answer.status_code == 403
        assert "does not say that it has asked" in answer.json()["detail"]


def test_no_label_opens_an_api_of_swarmgate_to_clients(docker: FakeDocker, listener: Role, follow: list[Proxy]) -> None:
    """Whoever may label one service may not send requests in the proxy's name to what believes the proxy."""
    proxy = follow[0]
    hosts = (HERE, "127.0.0.9", "0.0.0.0", "::ffff:127.0.0.1", "localhost")
    names = []
    for number, (host, port) in enumerate((host, port) for host in hosts for port in (proxy.api, listener.api)):
        names.append(f"sly{number}")
        labels = {"notify": "true", "servicePath": f"/{number}", "port": str(port), "outboundHostname": host}
        docker.add_service(names[-1], {f"com.df.{name}": value for name, value in labels.items()})

    for name in names:
        eventually(lambda name=name: proxy.condition(name, "ResolvedRefs").get("reason") == "OwnApi", "it is refused")
    assert {proxy.status(f"/{number}") for number in range(len(names))} == {503}


def test_an_unchanged_snapshot_costs_a_304_and_a_held_poll_ends_with_the_change(
    docker: FakeDocker, listener: Role, backend: int
) -> None:
    """With the etag in hand, a poll returns when there is something new, or empty-handed."""
    url = f"http://127.0.0.1:{listener.api}/v1/snapshot"
    known = {"Authorization": f"Bearer {TOKEN}"}
    etag = httpx.get(url, headers=known).headers["ETag"]

    unchanged = httpx.get(url, headers={**known, "If-None-Match": etag})
    assert unchanged.status_code == 304
    assert unchanged.content == b""

    publish(docker, "web", backend)
    changed = httpx.get(url, params={"wait": 20}, headers={**known, "If-None-Match": etag}, timeout=30)
    assert [service["name"] for service in changed.json()["services"]] == ["web"]
    assert changed.headers["Content-Encoding"] == "gzip"
    assert changed.headers["ETag"] != etag
