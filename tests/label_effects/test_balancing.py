"""What the labels of balancing do: servers per task, cookies, groups."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from builders import desired_of, read, service, snapshot
from label_effects.edge import Origin, behind, edge, running, tasks_at
from label_effects.reading import PLAIN, destination_of, problem_of

from models.snapshot import SwarmService

ADDRESSES = ("127.0.0.1", "127.0.0.2")
GET = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"


@pytest.fixture
async def twins() -> AsyncIterator[tuple[Origin, Origin]]:
    """Two tasks of one service: the same port at two addresses."""
    first, second = Origin("first"), Origin("second")
    async with running(first), running(second, host=ADDRESSES[1], port=first.port):
        yield first, second


def served_by(origin: Origin, labels: dict[str, str], *, name: str = "web") -> SwarmService:
    """Return a service whose tasks are the twins."""
    return behind(origin, labels, name=name).model_copy(update={"tasks": tasks_at(ADDRESSES)})


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"discoveryType": "DNS"}, id="DNS"),
        pytest.param({"discoveryType": "tasks"}, id="tasks"),
        pytest.param({"sessionType": "anything"}, id="any session type"),
    ],
)
async def test_a_server_per_task(
    binary: Path, folder: Path, twins: tuple[Origin, Origin], labels: dict[str, str]
) -> None:
    """HAProxy sends requests to the tasks in turn, without a cookie."""
    async with edge(binary, folder, served_by(twins[0], labels)) as proxy:
        answers = [await proxy.ask() for _ in range(4)]
    assert sorted(answer.headers["x-origin"] for answer in answers) == ["first", "first", "second", "second"]
    assert not any("set-cookie" in answer.headers for answer in answers)


@pytest.mark.parametrize("labels", [{}, {"discoveryType": "Overlay"}, {"discoveryType": "overlay"}])
async def test_the_virtual_address(
    binary: Path, folder: Path, twins: tuple[Origin, Origin], labels: dict[str, str]
) -> None:
    """Without these labels there is one server, the service's virtual address."""
    async with edge(binary, folder, served_by(twins[0], labels)) as proxy:
        assert {(await proxy.ask()).headers["x-origin"] for _ in range(4)} == {"first"}


async def test_sticky_server(binary: Path, folder: Path, twins: tuple[Origin, Origin]) -> None:
    """A cookie named after the service leads back to the same server and goes no further."""
    async with edge(binary, folder, served_by(twins[0], {"sessionType": "sticky-server"})) as proxy:
        for _ in range(4):
            first = await proxy.ask()
            cookie = first.headers["set-cookie"].partition(";")[0]
            assert cookie.startswith("web=")
            for _ in range(3):
                again = await proxy.ask("/web", f"Cookie: a=b; {cookie}")
                assert again.headers["x-origin"] == first.headers["x-origin"]
                assert "set-cookie" not in again.headers
        assert {origin.got()["cookie"][0] for origin in twins if "cookie" in origin.got()} == {"a=b"}


async def test_all_replicas_agree_on_cookies(binary: Path, folder: Path, twins: tuple[Origin, Origin]) -> None:
    """Another proxy, which knows the tasks in another order, leads to the same server."""
    here = served_by(twins[0], {"sessionType": "sticky-server"})
    there = here.model_copy(update={"tasks": tasks_at(reversed(ADDRESSES))})
    async with edge(binary, folder, here) as proxy:
        answers = [await proxy.ask() for _ in range(2)]
    async with edge(binary, folder, there) as proxy:
        for answer in answers:
            cookie = answer.headers["set-cookie"].partition(";")[0]
            assert (await proxy.ask("/web", f"Cookie: {cookie}")).headers["x-origin"] == answer.headers["x-origin"]


async def test_a_server_added_at_run_time_has_its_cookie(
    binary: Path, folder: Path, twins: tuple[Origin, Origin]
) -> None:
    """Scaling needs no reload: a new server gives out and takes the cookie that follows from its address."""
    port = twins[0].port
    one = served_by(twins[0], {"sessionType": "sticky-server"}).model_copy(update={"tasks": tasks_at(ADDRESSES[:1])})
    async with edge(binary, folder, one) as proxy:
        backend = f"web-be{port}_0"
        assert "registered" in proxy.runtime(f"add server {backend}/web_2 {ADDRESSES[1]}:{port} check")
        proxy.runtime(f"enable health {backend}/web_2; enable server {backend}/web_2")
        cookies = {}
        for _ in range(8):
            answer = await proxy.ask()
            cookies[answer.headers["x-origin"]] = answer.headers["set-cookie"].partition(";")[0]
        assert cookies.keys() == {"first", "second"}
        for name, cookie in cookies.items():
            for _ in range(2):
                assert (await proxy.ask("/web", f"Cookie: {cookie}")).headers["x-origin"] == name


def member(origin: Origin, name: str, labels: dict[str, str] | None = None, *, younger: int = 0) -> SwarmService:
    """Return a member of the group ``pool`` on port 6379."""
    plain = {"reqMode": "tcp", "srcPort": "6379", "port": str(origin.port), "serviceGroup": "pool"}
    return service(name, plain | (labels or {}), tasks=tasks_at(ADDRESSES[:1]), younger=younger)


async def test_service_group(binary: Path, folder: Path) -> None:
    """Two services answer on one port."""
    red, blue = Origin("red"), Origin("blue")
    async with running(red, blue), edge(binary, folder, member(red, "red"), member(blue, "blue")) as proxy:
        answers = [await proxy.tcp(6379, GET) for _ in range(4)]
    assert [sum(b"X-Origin: " + name in answer for answer in answers) for name in (b"red", b"blue")] == [2, 2]


@pytest.mark.parametrize("balance", ["roundrobin", "leastconn", "first", "random", "source", "static-rr"])
async def test_every_balance(binary: Path, folder: Path, origin: Origin, balance: str) -> None:
    """HAProxy takes each of them, and servers can be added to such a backend."""
    async with edge(binary, folder, member(origin, "red", {"balanceGroup": balance})) as proxy:
        assert (await proxy.tcp(6379, GET)).startswith(b"HTTP/1.1 200")
        added = proxy.runtime("add server tcpListen_pool_6379/more 127.0.0.1:1 check")
        assert "registered" in added


def test_members_of_a_group_agree_on_who_may_connect() -> None:
    """One that restricts access otherwise stays out, and is told why."""
    origin = Origin(port=1)
    open_to_all, restricted = member(origin, "old"), member(origin, "young", {"allowedSrc": "10.0.0.0/8"}, younger=1)
    desired = desired_of(snapshot(open_to_all, restricted))
    (backend,) = desired.backends
    assert backend.services == ("old",)
    accepted = next(fact for fact in desired.conditions["young"] if fact.type == "Accepted")
    assert (accepted.status, accepted.reason) == ("False", "PortConflict")
    assert "those of service old" in accepted.message


def test_another_group_or_none_cannot_have_the_same_port() -> None:
    """The port is the oldest service's."""
    origin = Origin(port=1)
    others = (
        member(origin, "b", {"serviceGroup": "other"}, younger=1),
        member(origin, "c", {"serviceGroup": ""}, younger=2),
    )
    desired = desired_of(snapshot(member(origin, "a"), *others))
    assert [backend.services for backend in desired.backends] == [("a",)]
    for name in "bc":
        assert any(fact.reason == "PortConflict" for fact in desired.conditions[name])


def test_service_group_means_nothing_to_requests() -> None:
    """Groups are of TCP services."""
    (backend,) = desired_of(snapshot(service("web", PLAIN | {"serviceGroup": "pool"}))).backends
    assert backend.name == "web-be8080_0"


@pytest.mark.parametrize(
    ("label", "value"),
    [
        pytest.param("discoveryType", "consul", id="discovery"),
        pytest.param("balanceGroup", "uri", id="balance"),
        pytest.param("serviceGroup", "a b", id="group"),
        pytest.param("sessionType", "it's", id="session"),
    ],
)
def test_refused(label: str, value: str) -> None:
    """What cannot be is refused."""
    assert f"com.df.{label}=" in problem_of({label: value})


def test_a_session_type_means_a_server_per_task() -> None:
    """Any value does, as in DFP."""
    assert destination_of({"sessionType": "x"}).balancing.by_task
    assert not destination_of({"sessionType": ""}).balancing.by_task
    assert not destination_of({}).balancing.by_task
    assert read(PLAIN | {"sessionType.1": "x"}).problems


async def test_network(binary: Path, folder: Path) -> None:
    """Requests go to the address in the network that is named; without the label to the first that is shared."""
    near, far = Origin("near"), Origin("far")
    networks = {"127.1.0.0/16": "near", "127.2.0.0/16": "shop_far"}
    async with running(near, host="127.1.0.1"), running(far, host="127.2.0.1", port=near.port):
        worlds = [
            service(
                name,
                {"servicePath": f"/{name}", "port": str(near.port), **more},
                vips=["127.1.0.1/16", "127.2.0.1/16"],
                networks=networks,
                stack="shop",
            )
            for name, more in (("chosen", {"network": "far"}), ("plain", {}))
        ]
        async with edge(binary, folder, *worlds) as proxy:
            assert (await proxy.ask("/chosen")).headers["x-origin"] == "far"
            assert (await proxy.ask("/plain")).headers["x-origin"] == "near"
