"""`DockerSource` on a fake engine: what it asks for, how it fails, and when it says "look again"."""

import asyncio
import contextlib
import gc
import random
import threading
import time
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path

import pytest
from docker import APIClient
from fakes.fake_docker import FakeDocker, Fault
from sources.watched import Watched, watching
from urllib3.connection import HTTPConnection

from controller.errors import SourceUnavailableError
from controller.sources import docker_connection, unread
from controller.sources.docker_api import DockerSource
from controller.sources.guard import GuardedSource
from controller.sources.unread import poll_interval
from models.snapshot import Snapshot, SwarmService, Task

OPTED_IN = {"com.df.notify": "true"}


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    with FakeDocker() as fake:
        yield fake


@pytest.fixture
async def source(docker: FakeDocker) -> AsyncIterator[DockerSource]:
    source = DockerSource(docker.docker_host, timeout=1.0)
    yield source
    await source.close()


@pytest.fixture
async def watched(source: DockerSource) -> AsyncIterator[Watched]:
    async with watching(source) as watched:
        await watched.until("event stream connected")
        yield watched


def docker_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("docker-")]


async def no_thread_is_left() -> None:
    async with asyncio.timeout(5):
        while docker_threads():  # noqa: ASYNC110 - threads tell nobody that they end
            await asyncio.sleep(0.01)


async def test_one_reading_is_two_requests_however_many_services(docker: FakeDocker, source: DockerSource) -> None:
    with docker.quietly():
        for number in range(50):
            docker.add_service(f"web-{number:02}", OPTED_IN, replicas=2)
        docker.add_service("other", {"com.df.port": "80"})
    snapshot = await source.snapshot()
    assert [service.name for service in snapshot.services] == [f"web-{number:02}" for number in range(50)]
    assert [len(service.tasks) for service in snapshot.services] == [2] * 50
    assert docker.queries == [
        ("/version", {}),
        ("/services", {"label": ["com.df.notify"]}),
        ("/tasks", {"desired-state": ["running"]}),
    ]


async def test_a_world_in_which_nothing_changed_is_the_same_object(docker: FakeDocker, source: DockerSource) -> None:
    docker.add_service("web", OPTED_IN)
    first = await source.snapshot()
    assert await source.snapshot() is first
    docker.add_task("web", slot=2)
    assert await source.snapshot() is not first


async def test_an_event_has_its_service_read_and_nothing_else(
    docker: FakeDocker, source: DockerSource, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "CLOSEST_POLL", 10)
    with docker.quietly():
        docker.add_service("web", OPTED_IN)
        docker.add_service("api", OPTED_IN)
    before = await source.snapshot()
    docker.queries.clear()
    id_ = docker.add_service("new", OPTED_IN, replicas=2)["ID"]
    await watched.until("event")
    after = await source.snapshot()
    assert [(service.name, len(service.tasks)) for service in after.services] == [("api", 1), ("new", 2), ("web", 1)]
    assert docker.queries == [
        ("/services", {"label": ["com.df.notify"], "id": [id_]}),
        ("/tasks", {"desired-state": ["running"], "service": [id_]}),
    ]
    docker.remove_service("new")
    await watched.until("event")
    assert await source.snapshot() == before
    assert docker.queries[2:] == [("/services", {"label": ["com.df.notify"], "id": [id_]})]
    await source.snapshot()
    assert len(docker.queries) == 3, "where nothing has happened, nothing is asked"


async def test_what_no_event_tells_is_read_within_seconds(docker: FakeDocker, source: DockerSource) -> None:
    source = DockerSource(docker.docker_host, slow_poll=0.04)
    async with watching(source) as watched:
        await watched.until("event stream connected")
        docker.add_service("web", OPTED_IN)
        await source.snapshot()
        with docker.quietly():
            docker.update_service("web", OPTED_IN | {"com.df.port": "81"})
            docker.add_service("api", OPTED_IN)
        await watched.until("poll")
        assert {service.name: len(service.labels) for service in (await source.snapshot()).services} == {
            "web": 2,
            "api": 1,
        }
    await source.close()


async def test_a_service_that_goes_while_it_is_read_costs_a_reading_of_everything(
    docker: FakeDocker, source: DockerSource, watched: Watched
) -> None:
    """The engine refuses to tell the tasks of a service that it does not know any more."""
    await source.snapshot()
    docker.add_service("web", OPTED_IN)
    await watched.until("event")
    docker.fail(Fault.ERROR, "/tasks", times=1)
    docker.queries.clear()
    assert [service.name for service in (await source.snapshot()).services] == ["web"]
    assert docker.queries[-1] == ("/tasks", {"desired-state": ["running"]})
    assert source.error is None


async def test_what_was_not_read_for_a_fault_is_read_by_the_next_reading(
    docker: FakeDocker, source: DockerSource, watched: Watched
) -> None:
    await source.snapshot()
    docker.add_service("web", OPTED_IN)
    await watched.until("event")
    docker.fail(Fault.ERROR, "/services")
    with pytest.raises(SourceUnavailableError):
        await source.snapshot()
    docker.heal()
    assert [service.name for service in (await source.snapshot()).services] == ["web"]


async def test_a_loss_is_confirmed_by_a_reading_of_everything(
    docker: FakeDocker, source: DockerSource, watched: Watched
) -> None:
    """What is doubted is asked anew, although no event says that anything has changed."""
    docker.add_service("web", OPTED_IN)
    await watched.until("event")
    guarded = GuardedSource(source, confirm_after=0.01)
    good = await guarded.snapshot()
    source.doubt()
    docker.fail(Fault.EMPTY, "/services", times=1)
    assert await guarded.snapshot() == good


async def test_any_course_of_changes_leads_to_the_same_world(docker: FakeDocker) -> None:
    """Whatever comes, changes, stops and goes, told by an event or not: what was told is seen, the rest in the end."""
    chance = random.Random(7)
    source, fresh = DockerSource(docker.docker_host, slow_poll=600), DockerSource(docker.docker_host)
    all_told = True
    async with watching(source) as watched:
        await watched.until("event stream connected")
        await source.snapshot()
        for turn in range(200):
            is_told = chance.random() < 0.8
            all_told = all_told and is_told
            with contextlib.nullcontext() if is_told else docker.quietly():
                _change_something(docker, chance, turn)
            if not is_told:
                docker.emit("service", "update", "none-at-all", "")
            await watched.until("event")
            seen = await source.snapshot()
            if not all_told and chance.random() < 0.3:
                source.doubt()
                seen, all_told = await source.snapshot(), True
            if all_told:
                assert seen == await fresh.snapshot(), turn
    await source.close()
    await fresh.close()


def _change_something(docker: FakeDocker, chance: random.Random, turn: int) -> None:
    """Do to some service what can be done to one; its tasks change together with it."""
    names = [service["Spec"]["Name"] for service in docker.services.values()]
    labels = chance.choice([OPTED_IN, OPTED_IN | {"com.df.port": str(turn)}, {}])
    if len(names) < 3 or chance.random() < 0.3:
        docker.add_service(f"web-{turn}", labels, replicas=chance.randrange(3))
        return
    name = chance.choice(names)
    if chance.random() < 0.3:
        docker.remove_service(name)
        return
    if tasks := docker.tasks_of(name):
        docker.end_task(chance.choice(tasks)["ID"])
    docker.add_task(name, slot=turn)
    docker.update_service(name, labels, replicas=chance.randrange(3))


async def test_tasks_that_are_no_longer_wanted_are_gone_at_once(docker: FakeDocker, source: DockerSource) -> None:
    docker.add_service("web", OPTED_IN, replicas=2)
    docker.end_task(docker.tasks_of("web")[0]["ID"])
    (web,) = (await source.snapshot()).services
    assert [task.slot for task in web.tasks] == [2]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault.REFUSE, "no usable answer"),
        (Fault.HANG, "in time|within 1 s"),
        (Fault.TRICKLE, "in time|within 1 s"),
        (Fault.ERROR, "status 500.*does not have a leader"),
        (Fault.NOT_A_MANAGER, "status 503.*--constraint node.role==manager"),
        (Fault.FORBIDDEN, "status 403.*GET requests for services, tasks and events"),
        (Fault.TRUNCATED, "no usable answer"),
        (Fault.HALF_JSON, "not that of a Docker Engine"),
        (Fault.GARBAGE, "not that of a Docker Engine"),
        (Fault.WRONG, "not that of a Docker Engine.*not a list"),
    ],
)
@pytest.mark.parametrize("path", ["/services", "/tasks"])
async def test_every_fault_is_told_and_the_next_reading_is_good(
    docker: FakeDocker, source: DockerSource, path: str, fault: Fault, words: str
) -> None:
    docker.add_service("web", OPTED_IN)
    docker.fail(fault, path, times=1)
    with pytest.raises(SourceUnavailableError, match=words) as caught:
        await source.snapshot()
    assert docker.docker_host in str(caught.value)
    assert source.error == str(caught.value)
    assert [service.name for service in (await source.snapshot()).services] == ["web"]
    assert source.error is None


@pytest.mark.parametrize("fault", [Fault.EMPTY, Fault.ERROR, Fault.HALF_JSON, Fault.TRUNCATED])
async def test_a_bad_answer_about_tasks_takes_no_task_away(
    docker: FakeDocker, source: DockerSource, fault: Fault
) -> None:
    """Also one that looks good: that nothing runs is only believed if it is said twice."""
    docker.add_service("web", OPTED_IN, replicas=2)
    guarded = GuardedSource(source, confirm_after=0.01)
    good = await guarded.snapshot()
    docker.fail(fault, "/tasks", times=1)
    assert await guarded.snapshot() == good
    for task in docker.tasks_of("web"):
        docker.end_task(task["ID"])
    (web,) = (await guarded.snapshot()).services
    assert web.tasks == ()


@pytest.mark.parametrize("fault", [Fault.HANG, Fault.GARBAGE, Fault.ERROR, Fault.TRUNCATED])
async def test_faults_upon_connecting_are_told_too(docker: FakeDocker, source: DockerSource, fault: Fault) -> None:
    docker.fail(fault, "/version", times=1)
    with pytest.raises(SourceUnavailableError, match="Docker Engine at"):
        await source.snapshot()
    assert await source.snapshot() == Snapshot()


def of_connections() -> list[object]:
    """Return what there is of connections, and of their faults."""
    kinds = SourceUnavailableError | APIClient | HTTPConnection
    return [each for each in gc.get_objects() if isinstance(each, kinds)]


@pytest.fixture
def no_search_for_cycles() -> Iterator[None]:
    """Python looks for reference cycles seldom in a controller, and not at all in the test."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.parametrize("fault", [Fault.REFUSE, Fault.ERROR, Fault.TRUNCATED, Fault.GARBAGE, Fault.WRONG, Fault.HANG])
@pytest.mark.parametrize("path", ["/services", "/version", "/events"])
@pytest.mark.usefixtures("no_search_for_cycles")
async def test_a_fault_leaves_nothing_behind(docker: FakeDocker, path: str, fault: Fault) -> None:
    """However often an engine fails, nothing waits for the search for reference cycles: sockets would with it."""
    before = of_connections()
    for _ in range(3):
        source = DockerSource(docker.docker_host, timeout=0.1, silence=0.1)
        docker.fail(fault, path, times=1)
        async with watching(source) as watched:
            for _ in range(2):
                with contextlib.suppress(SourceUnavailableError):
                    await source.snapshot()
            await watched.until("event stream connected")
        await source.close()
        await no_thread_is_left()
    del source, watched
    assert [each for each in of_connections() if not any(each is known for known in before)] == []


async def test_an_engine_that_is_away_and_comes_back(docker: FakeDocker, source: DockerSource) -> None:
    docker.add_service("web", OPTED_IN)
    await source.snapshot()
    docker.stop()
    with pytest.raises(SourceUnavailableError, match="nobody listens there"):
        await source.snapshot()
    docker.start()
    assert len((await source.snapshot()).services) == 1


async def test_a_socket_that_is_not_there(tmp_path: Path) -> None:
    source = DockerSource(f"unix://{tmp_path}/docker.sock")
    with pytest.raises(SourceUnavailableError, match="no such socket; mount it"):
        await source.snapshot()


async def test_a_socket_that_may_not_be_opened_tells_the_group_to_join(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Tests may run as root, whom no permission stops, so the refusal is played."""
    path = tmp_path / "docker.sock"
    path.touch()

    def refuse(*_arguments: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(docker_connection, "_knock", refuse)
    source = DockerSource(f"unix://{path}")
    with pytest.raises(SourceUnavailableError, match=rf"belongs to group {path.stat().st_gid}; .*--group-add"):
        await source.snapshot()


async def test_the_engine_may_be_behind_a_unix_socket(tmp_path: Path) -> None:
    with FakeDocker(tmp_path / "docker.sock") as docker:
        docker.add_service("web", OPTED_IN)
        source = DockerSource(docker.docker_host)
        async with watching(source) as watched:
            await watched.until("event stream connected")
            assert len((await source.snapshot()).services) == 1
        await source.close()
    await no_thread_is_left()


async def test_a_hanging_engine_costs_no_more_than_one_thread(docker: FakeDocker) -> None:
    source = DockerSource(docker.docker_host, timeout=0.2)
    docker.fail(Fault.HANG)
    for _ in range(4):
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError):
            await source.snapshot()
        assert time.monotonic() - began < 3
        assert len(docker_threads()) <= 1
    docker.heal()
    await no_thread_is_left()  # The SDK counts in whole seconds when it connects.
    assert await source.snapshot() == Snapshot()
    await source.close()


async def test_a_reading_that_is_cancelled_leaves_no_thread(docker: FakeDocker, source: DockerSource) -> None:
    await source.snapshot()
    docker.fail(Fault.TRICKLE, "/tasks")
    reading = asyncio.create_task(source.snapshot())
    await asyncio.sleep(0.2)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await no_thread_is_left()


async def test_freshness_is_that_of_the_last_success(docker: FakeDocker) -> None:
    now = 100.0
    source = DockerSource(docker.docker_host, clock=lambda: now)
    assert source.last_success is None
    await source.snapshot()
    now = 200.0
    docker.fail(Fault.ERROR)
    with pytest.raises(SourceUnavailableError):
        await source.snapshot()
    assert source.last_success == 100.0
    await source.close()


async def test_events_say_look_again(docker: FakeDocker, watched: Watched) -> None:
    docker.add_service("web", OPTED_IN)
    await watched.until("event", within=3)
    docker.update_service("web", {})
    await watched.until("event", within=3)
    docker.emit("secret", "create", "id", "dfp_cert")
    await watched.until("event", within=3)


async def test_events_of_containers_and_of_this_node_alone_are_not_asked_for(
    docker: FakeDocker, watched: Watched
) -> None:
    docker.emit("container", "start", "id", "web.1")
    docker.emit("network", "connect", "id", "bridge", scope="local")
    await asyncio.sleep(0.1)
    assert "event" not in watched.reasons


async def test_the_end_of_watching_is_prompt_and_leaves_no_thread(docker: FakeDocker, source: DockerSource) -> None:
    async with watching(source) as watched:
        await watched.until("event stream connected")
        began = time.monotonic()
    assert time.monotonic() - began < 3
    await no_thread_is_left()
    async with asyncio.timeout(2):
        while docker.streams:  # noqa: ASYNC110 - the engine runs in another thread
            await asyncio.sleep(0.01)


async def test_a_stream_that_ends_is_opened_anew_and_marks_dirty(docker: FakeDocker, watched: Watched) -> None:
    docker.close_event_streams()
    await watched.until("event stream connected", within=2)
    docker.add_service("web", OPTED_IN)
    await watched.until("event", within=3)


async def test_an_engine_that_restarts_is_followed_again(docker: FakeDocker, watched: Watched) -> None:
    docker.stop()
    await asyncio.sleep(0.3)
    docker.start()
    await watched.until("event stream connected")


async def test_a_silent_stream_is_opened_anew(docker: FakeDocker) -> None:
    source = DockerSource(docker.docker_host, silence=0.1)
    async with watching(source) as watched:
        await watched.until("event stream connected")
        await watched.until("event stream connected", within=2)
    await no_thread_is_left()


async def test_a_stream_that_never_answers_does_not_stop_the_timer(docker: FakeDocker) -> None:
    docker.fail(Fault.HANG, "/events")
    source = DockerSource(docker.docker_host, timeout=0.3, slow_poll=0.1)
    async with watching(source) as watched:
        await watched.until("poll", within=3)
        await watched.until("poll", within=3)


async def test_the_timer_is_fast_after_an_event_and_slow_when_all_is_quiet(
    docker: FakeDocker, source: DockerSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unread, "STIRRED", 0.3)
    monkeypatch.setattr(unread, "JUST_STIRRED", 0.3)
    monkeypatch.setattr(unread, "FAST_POLL", 0.05)
    docker.add_service("web", OPTED_IN)
    async with watching(source) as watched:
        await watched.until("event stream connected")
        await source.snapshot()
        docker.emit("node", "update", "a-node", "")
        for _ in range(3):
            await watched.until("poll", within=3)
        await asyncio.sleep(0.6)
        watched.reasons.clear()
        await asyncio.sleep(0.3)
        assert "poll" not in watched.reasons
        docker.update_service("web", replicas=2)
        await watched.until("event")
        await watched.until("poll", within=3)


def world(*, replicas: int = 1, running: int = 1, updating: bool = False) -> Snapshot:
    tasks = tuple(Task(id=str(number)) for number in range(running))
    return Snapshot(services=(SwarmService(id="1", name="web", replicas=replicas, tasks=tasks, updating=updating),))


@pytest.mark.parametrize(
    ("snapshot", "since_stirred", "since_change", "expected", "of_many"),
    [
        pytest.param(world(), 100, 100, 5, 5, id="all is quiet"),
        pytest.param(world(), 0.5, 100, 0.05, 1, id="something happened a moment ago"),
        pytest.param(world(), 2, 100, 0.1, 1, id="something has just happened"),
        pytest.param(world(), 14, 100, 1, 1, id="something has happened"),
        pytest.param(world(updating=True), 100, 100, 0.1, 1, id="a rolling update"),
        pytest.param(world(replicas=2), 100, 3, 1, 1, id="a task is missing"),
        pytest.param(world(replicas=2), 100, 30, 3, 3, id="a task has been missing for a while"),
        pytest.param(world(replicas=2), 100, 3000, 5, 5, id="a task will not come"),
    ],
)
def test_poll_interval(
    snapshot: Snapshot, since_stirred: float, since_change: float, expected: float, of_many: float
) -> None:
    interval = partial(poll_interval, snapshot, since_stirred=since_stirred, since_change=since_change, slow=5)
    assert (interval(services=2), interval(services=None)) == (expected, of_many)


def test_the_more_services_are_read_the_less_often() -> None:
    interval = partial(poll_interval, world(), since_stirred=0.5, since_change=0.5, slow=5)
    assert [interval(services=number) for number in (10, 50, 200, 201)] == [0.05, 0.1, 0.4, 1]


async def test_proxy_addresses_are_those_of_exactly_this_service(docker: FakeDocker, source: DockerSource) -> None:
    docker.add_service("proxy-old")
    docker.add_service("proxy", replicas=2)
    docker.end_task(docker.tasks_of("proxy")[0]["ID"])
    (running,) = docker.tasks_of("proxy")[1]["NetworksAttachments"][0]["Addresses"]
    assert await source.proxy_addresses("proxy") == {running.split("/")[0]}
    assert await source.proxy_addresses("prox") == frozenset()


async def test_many_strangers_cost_one_look_at_the_engine(docker: FakeDocker, source: DockerSource) -> None:
    docker.add_service("proxy")
    await source.proxy_addresses("proxy")
    docker.requests.clear()
    await asyncio.gather(*(source.proxy_addresses("proxy") for _ in range(10)))
    assert docker.requests == {}


async def test_a_large_world_is_read_in_time(docker: FakeDocker) -> None:
    source = DockerSource(docker.docker_host)
    with docker.quietly():
        for number in range(2000):
            docker.add_service(f"web-{number}", OPTED_IN | {"com.df.servicePath": f"/{number}"}, replicas=2)
    began = time.monotonic()
    assert len((await source.snapshot()).services) == 2000
    assert time.monotonic() - began < 5
    await source.close()
