"""What a listener knows of the proxies that ask it, and waiting for all of them."""

import asyncio
import os
import signal
import time
from contextlib import ExitStack
from pathlib import Path

import builders
import httpx
import pytest
from fakes.fake_docker import FakeDocker
from pydantic import SecretStr
from roles.conftest import MakeListener, MakeProxy
from roles.processes import Proxy, Role, eventually

from controller.declarations import Receipt
from controller.http.answering import DISTRIBUTED, Answer, Distribution
from controller.http.answers.probes import Readiness
from controller.http.listener_api import Gate, make_listener_app
from controller.metrics import ListenerMetrics
from controller.published import Published, Report
from models.snapshot import Snapshot

TOKEN = "between us"
API_TOKEN = "of the operator"
OLD, NEW, NEWER = (builders.snapshot(builders.service(name)) for name in ("a", "b", "c"))


def report(name: str, world: Snapshot | None = None) -> Report:
    """Return what a proxy says that has programmed a world."""
    return Report(name, "192.0.2.1", world.digest if world else "", "")


def awaited(published: Published, since: Snapshot = NEW) -> list[str]:
    """Return those who still have to program a world."""
    return [state.replica for state in published.replicas(since.digest) if state.awaited]


def test_a_later_world_has_what_an_earlier_one_had() -> None:
    """One that is there again is the latest; nobody has one that is unknown."""
    published = Published()
    for world in (OLD, NEW, NEWER):
        published.publish(world)
    for name, world in (("old", OLD), ("new", NEW), ("newer", NEWER), ("odd", builders.snapshot())):
        published.polling(report(name, world)).__enter__()
    assert awaited(published) == ["odd", "old"]
    assert [state.replica for state in published.replicas() if state.converged] == ["newer"]
    assert awaited(published, builders.snapshot()) == ["new", "odd", "old"]
    published.publish(OLD)
    assert awaited(published) == ["odd"]


def test_who_has_left_or_was_never_ready_is_not_awaited() -> None:
    """One that is between two polls still is there, the longer if it has something to do; then it is forgotten."""
    now = 0.0
    published = Published(clock=lambda: now)
    published.publish(NEW)
    with published.polling(report("there", OLD)), published.polling(report("starting")):
        with published.polling(report("busy", OLD)), published.polling(report("gone", OLD)) as hung_up:
            hung_up()
        assert awaited(published) == ["busy", "gone", "there"]
        now = 3.0
        assert awaited(published) == ["busy", "there"]
        now = 8.0
        assert awaited(published) == ["there"]
        now = 200.0
        assert [state.replica for state in published.replicas()] == ["starting", "there"]


def test_news_are_no_farewell() -> None:
    """A proxy that has some ends its poll and begins another, in whatever order that is noticed."""
    now = 0.0
    published = Published(clock=lambda: now)
    published.publish(NEW)
    with ExitStack() as first:
        hung_up = first.enter_context(published.polling(report("a", OLD)))
        with published.polling(report("a", OLD)):
            hung_up()
            first.close()
        now = 5.0
        assert awaited(published) == ["a"]


async def test_waiting_ends_with_the_last_report_or_with_time() -> None:
    """Or when the listener stops."""
    published = Published()
    published.publish(OLD)
    published.publish(NEW)
    with published.polling(report("a", OLD)):
        began = time.monotonic()
        assert [state.awaited for state in await published.caught_up(NEW.digest, limit=0.05)] == [True]
        assert time.monotonic() - began < 2
        waiting = asyncio.create_task(published.caught_up(NEW.digest, limit=20))
        await asyncio.sleep(0)
        with published.polling(report("a", NEW)):
            assert [state.converged for state in await waiting] == [True]
        with published.polling(report("a", OLD)):
            waiting = asyncio.create_task(published.caught_up(NEW.digest, limit=20))
            await asyncio.sleep(0)
            published.close()
            assert [state.awaited for state in await waiting] == [True]


async def test_a_poll_ends_with_whoever_asked() -> None:
    """The listener sees a connection close, and takes nobody to be there who is not."""
    published = Published()
    published.publish(NEW)
    gate = Gate(SecretStr(TOKEN), no_addresses)
    app = make_listener_app(published, gate, ListenerMetrics(), lambda: Readiness(ready=True))
    query = f"wait=30&replica=a&programmed={OLD.digest}".encode()
    headers = [(b"if-none-match", NEW.digest.encode()), (b"authorization", f"Bearer {TOKEN}".encode())]
    scope = {"type": "http", "method": "GET", "path": "/v1/snapshot", "headers": headers, "client": ("192.0.2.1", 1)}
    events = iter(({"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}))

    async def receive() -> dict[str, object]:
        return next(events)

    async def send(_event: object) -> None:
        """Nobody is there to have it."""

    async with asyncio.timeout(10):
        await app({**scope, "query_string": query}, receive, send)
    (known,) = published._replicas.values()
    assert (known.polls, known.hung_up) == (0, True)


async def no_addresses() -> frozenset[str]:
    return frozenset()


class Behind:
    """Replicas of whom some are behind."""

    def __init__(self, *names: str) -> None:
        self.names = names

    async def behind(self, receipt: Receipt, *, limit: float) -> tuple[str, ...]:
        assert receipt.published
        assert limit > 0
        return self.names


@pytest.mark.parametrize(
    ("distribution", "answer", "asked", "words"),
    [
        pytest.param(Distribution(Behind()), Answer(200, "done"), True, DISTRIBUTED, id="all have it"),
        pytest.param(Distribution(Behind()), Answer(200, "done"), False, "done", id="nobody is asked"),
        pytest.param(Distribution(), Answer(200, "done"), True, "done", id="nobody else is there"),
        pytest.param(Distribution(Behind("a")), Answer(409, "taken"), True, "taken", id="it was not done"),
        pytest.param(
            Distribution(Behind("a", "b")), Answer(200, "done"), True, "done; still converging: a, b", id="late"
        ),
        pytest.param(Distribution(Behind()), Answer(200, "done", remark="odd"), True, f"odd; {DISTRIBUTED}", id="odd"),
    ],
)
async def test_what_is_said_of_the_others(distribution: Distribution, answer: Answer, asked: bool, words: str) -> None:  # noqa: FBT001
    """DFP's words when all have it; who lags behind is named, and makes no failure of it."""
    completed = await distribution.completed(answer, Receipt(1, {"http://listener": "etag"}), asked=asked)
    assert (completed.status, completed.words) == (answer.status, words)


@pytest.fixture
def listener(make_listener: MakeListener, docker: FakeDocker) -> Role:
    """A ready listener."""
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TOKEN=TOKEN, API_TOKEN=API_TOKEN)
    eventually(made.ready, "the listener is ready")
    return made


def reconfigure(proxy: Proxy, path: str, backend: int, **query: str) -> httpx.Response:
    """Declare the service ``shop`` at a path."""
    parameters = {"serviceName": "shop", "servicePath": path, "port": str(backend), "outboundHostname": "127.0.0.1"}
    return httpx.get(
        f"http://127.0.0.1:{proxy.api}/v1/docker-flow-proxy/reconfigure",
        params=parameters | query,
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=20,
    )


def converged(listener: Role) -> list[dict[str, object]]:
    """Return the proxies that have programmed everything, if there are two."""
    found = [each for each in listener.get("/v1/replicas").json() if each["converged"]]
    return found if len(found) == 2 else []


def test_reconfigure_answers_for_all_replicas(
    listener: Role, make_proxy: MakeProxy, newest: Path, backend: int
) -> None:
    """All have it with the answer; one that hangs is named, and catches up."""
    address = f"127.0.0.1:{listener.api}"
    here, there = (
        make_proxy(newest, "--listener-address", address, LISTENER_TOKEN=TOKEN, API_TOKEN=API_TOKEN) for _ in range(2)
    )
    for proxy in (here, there):
        eventually(proxy.ready, "the proxy is ready")
    known = eventually(lambda: converged(listener), "the listener knows both")
    assert sorted(str(each["replica"]).rpartition(":")[2] for each in known) == sorted(map(str, (here.api, there.api)))
    told = {"replica", "address", "programmed", "conditions", "converged", "awaited", "seconds_ago", "encrypted"}
    assert set(known[0]) == told

    answer = reconfigure(here, "/one", backend)
    assert (answer.status_code, answer.json()["Message"]) == (200, DISTRIBUTED)
    assert [proxy.status("/one") for proxy in (here, there)] == [200, 200]

    assert there.process is not None
    os.kill(there.process.pid, signal.SIGSTOP)
    assert reconfigure(here, "/two", backend, distribute="false").json()["Message"] == "shop is configured"
    late = reconfigure(here, "/three", backend)
    assert late.status_code == 200
    (name,) = late.json()["Converging"]
    assert name.endswith(f":{there.api} (127.0.0.1)")
    assert late.json()["Message"] == f"shop is configured; still converging: {name}"
    assert there.status("/one") == 200
    os.kill(there.process.pid, signal.SIGCONT)
    eventually(lambda: there.status("/three") == 200, "it catches up")
