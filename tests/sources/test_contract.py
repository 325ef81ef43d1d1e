"""The same cases on the fake engine and on a real one, so that the fake cannot drift away from the truth.

The real one is asked with the ``docker`` command for every change, as an operator would. Its services ask for a node
that does not exist where their tasks are not to run: such services cost next to nothing.
"""

import asyncio
import subprocess
import uuid
from collections.abc import AsyncIterator, Iterator
from typing import Protocol

import pytest
from fakes.fake_docker import FakeDocker
from sources.watched import watching

from controller.sources.docker_api import DockerSource
from models.interface import address_of, network_of
from models.snapshot import Snapshot, SwarmService

NOTIFY = "com.df.notify=true"


class Engine(Protocol):
    """What the cases need of an engine."""

    docker_host: str
    network: str
    """The name of the network that its services are on."""

    def create(self, name: str, *labels: str, replicas: int = 0, runs: bool = False, dnsrr: bool = False) -> None:
        """Create a service; ``runs=False`` leaves its tasks pending."""

    def relabel(self, name: str, *labels: str) -> None:
        """Add labels to a service."""

    def scale(self, name: str, replicas: int) -> None:
        """Change the number of replicas, and wait for nothing."""

    def remove(self, name: str) -> None:
        """Remove a service."""


class TheFake:
    """The cases' view of `FakeDocker`."""

    def __init__(self, fake: FakeDocker) -> None:
        self.docker_host = fake.docker_host
        self.network = "front"
        self._fake = fake

    def create(self, name: str, *labels: str, replicas: int = 0, runs: bool = False, dnsrr: bool = False) -> None:
        self._fake.add_service(
            name,
            dict(label.split("=", 1) for label in labels),
            replicas=replicas,
            running=replicas if runs else 0,
            endpoint_mode="dnsrr" if dnsrr else "vip",
        )

    def relabel(self, name: str, *labels: str) -> None:
        old = self._fake.service(name)["Spec"]["Labels"]
        self._fake.update_service(name, old | dict(label.split("=", 1) for label in labels))

    def scale(self, name: str, replicas: int) -> None:
        self._fake.update_service(name, replicas=replicas)
        for task in self._fake.tasks_of(name)[replicas:]:
            self._fake.end_task(task["ID"])

    def remove(self, name: str) -> None:
        self._fake.remove_service(name)


class TheRealOne:
    """The cases' view of the engine at ``DOCKER_HOST``; what it creates begins with ``src-``."""

    def __init__(self, docker_host: str) -> None:
        self.docker_host = docker_host
        self.network = f"src-{uuid.uuid4().hex[:8]}"
        self._services: set[str] = set()

    def begin(self) -> None:
        self._docker("network", "create", "--driver", "overlay", self.network)

    def end(self) -> None:
        for name in list(self._services):
            self.remove(name)
        for attempt in range(60):
            gone = self._docker("network", "rm", self.network, check=attempt == 59)
            if gone.returncode == 0:
                return

    def create(self, name: str, *labels: str, replicas: int = 0, runs: bool = False, dnsrr: bool = False) -> None:
        options = [f"--label={label}" for label in labels]
        options += [] if runs else ["--constraint=node.labels.nowhere==true"]
        options += ["--endpoint-mode=dnsrr"] if dnsrr else []
        image = ["swarmgate-test/demo"] if runs else ["redis:3.2"]
        self._services.add(name)
        self._docker(
            "service", "create", "--detach", "--no-resolve-image", f"--name={name}", f"--replicas={replicas}",
            f"--network={self.network}", *options, *image,
        )  # fmt: skip

    def relabel(self, name: str, *labels: str) -> None:
        self._docker("service", "update", "--detach", "--no-resolve-image", *_each("--label-add", labels), name)

    def scale(self, name: str, replicas: int) -> None:
        self._docker("service", "update", "--detach", "--no-resolve-image", f"--replicas={replicas}", name)

    def remove(self, name: str) -> None:
        self._services.discard(name)
        self._docker("service", "rm", name)

    def _docker(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["docker", "-H", self.docker_host, *arguments], check=check, capture_output=True, text=True, timeout=60
        )


def _each(option: str, values: tuple[str, ...]) -> list[str]:
    return [part for value in values for part in (option, value)]


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.swarm)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    if request.param == "fake":
        with FakeDocker() as fake:
            yield TheFake(fake)
        return
    engine = TheRealOne(request.getfixturevalue("docker_engine"))
    engine.begin()
    try:
        yield engine
    finally:
        engine.end()


@pytest.fixture
async def source(engine: Engine) -> AsyncIterator[DockerSource]:
    source = DockerSource(engine.docker_host)
    yield source
    await source.close()


@pytest.fixture
def name() -> str:
    return f"src-{uuid.uuid4().hex[:8]}"


async def find(source: DockerSource, name: str) -> SwarmService | None:
    services = (await source.snapshot()).services
    return next((service for service in services if service.name == name), None)


async def found(source: DockerSource, name: str) -> SwarmService:
    service = await find(source, name)
    assert service is not None
    return service


async def test_a_service_appears_with_its_labels_and_is_gone_when_removed(
    engine: Engine, source: DockerSource, name: str
) -> None:
    engine.create(name, NOTIFY, "com.df.port=80", "other=x")
    service = await found(source, name)
    assert service.labels == {"com.df.notify": "true", "com.df.port": "80"}
    assert (service.mode, service.replicas, service.endpoint_mode) == ("replicated", 0, "vip")
    assert service.previous_labels is None
    assert service.version > 0
    assert service.created_at.year > 2000
    engine.remove(name)
    assert await find(source, name) is None


async def test_a_service_that_does_not_opt_in_is_not_there(engine: Engine, source: DockerSource, name: str) -> None:
    engine.create(name, "com.df.port=80")
    assert await find(source, name) is None
    engine.relabel(name, "com.df.notify=false")
    assert await find(source, name) is None
    engine.relabel(name, NOTIFY)
    assert await find(source, name) is not None


async def test_a_service_knows_its_stack(engine: Engine, source: DockerSource, name: str) -> None:
    engine.create(f"shop_{name}", NOTIFY, "com.docker.stack.namespace=shop")
    service = await found(source, f"shop_{name}")
    assert (service.stack, service.short_name) == ("shop", name)


async def test_an_update_keeps_the_labels_before_it(engine: Engine, source: DockerSource, name: str) -> None:
    engine.create(name, NOTIFY, "com.df.port=80")
    before = await found(source, name)
    engine.relabel(name, "com.df.port=81")
    after = await found(source, name)
    assert after.labels["com.df.port"] == "81"
    assert after.previous_labels == before.labels
    assert after.version > before.version
    assert (after.id, after.created_at) == (before.id, before.created_at)


async def test_a_pending_task_is_awaited(engine: Engine, source: DockerSource, name: str) -> None:
    engine.create(name, NOTIFY, replicas=2)
    async with asyncio.timeout(20):
        while len((await found(source, name)).tasks) < 2 or not (await found(source, name)).virtual_ips:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)
    service = await found(source, name)
    assert [(task.slot, task.state) for task in service.tasks] == [(1, "pending"), (2, "pending")]
    assert service.networks == {network_of(service.virtual_ips[0]): engine.network}
    assert (await source.snapshot()).unsettled


async def test_a_service_without_virtual_address(engine: Engine, source: DockerSource, name: str) -> None:
    engine.create(name, NOTIFY, dnsrr=True)
    service = await found(source, name)
    assert (service.endpoint_mode, service.virtual_ips) == ("dnsrr", ())


async def test_running_tasks_have_addresses_and_go_when_they_are_not_wanted(
    engine: Engine, source: DockerSource, name: str
) -> None:
    engine.create(name, NOTIFY, replicas=2, runs=True)
    async with asyncio.timeout(60):
        while [task.state for task in (await found(source, name)).tasks] != ["running"] * 2:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.2)
    service = await found(source, name)
    assert [task.slot for task in service.tasks] == [1, 2]
    (virtual,) = service.virtual_ips
    addresses = [address for task in service.tasks for address in task.addresses]
    assert len(set(addresses)) == 2
    assert all(network_of(address) == network_of(virtual) for address in addresses)
    assert service.networks == {network_of(virtual): engine.network}
    assert await source.proxy_addresses(name) == {address_of(address) for address in addresses}
    assert await source.proxy_addresses(name[:-1]) == frozenset()
    engine.scale(name, 1)
    async with asyncio.timeout(20):
        while len((await found(source, name)).tasks) > 1:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.1)


async def test_every_change_is_an_event(engine: Engine, source: DockerSource, name: str) -> None:
    async with watching(source) as watched:
        await watched.until("event stream connected")
        await asyncio.to_thread(engine.create, name, NOTIFY)
        await watched.until("event")
        await asyncio.to_thread(engine.relabel, name, "com.df.port=80")
        await watched.until("event")
        await asyncio.to_thread(engine.remove, name)
        await watched.until("event")


async def test_after_an_event_its_service_alone_is_read(engine: Engine, source: DockerSource, name: str) -> None:
    """What is read then is what a reading of everything finds, as long as there is the service and after it is gone."""
    following = DockerSource(engine.docker_host, slow_poll=600)
    changes = (
        lambda: engine.create(name, NOTIFY, replicas=1),
        lambda: engine.relabel(name, "com.df.port=80"),
        lambda: engine.scale(name, 2),
        lambda: engine.remove(name),
    )
    async with watching(following) as watched:
        await watched.until("event stream connected")
        await following.snapshot()
        for change in changes:
            await asyncio.to_thread(change)
            await watched.until("event")
            async with asyncio.timeout(20):
                # On a real engine more may follow, addresses and tasks, and others may change something of theirs.
                while _named(await following.snapshot(), name) != _named(await source.snapshot(), name):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
        assert _named(await following.snapshot(), name) == []
    await following.close()


def _named(snapshot: Snapshot, name: str) -> list[SwarmService]:
    return [service for service in snapshot.services if service.name == name]
