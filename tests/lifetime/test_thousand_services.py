"""A thousand services come, change in every plain way, and go, without one reload; and nothing of them is left."""

import asyncio
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
import structlog
from builders import service, snapshot, task
from haproxy.loopback import Load, free_port, http_server
from lifetime.asking import Request, ask, login
from lifetime.origins import origins
from lifetime.site import Site, Surrounded, site
from lifetime.twin import said, twin
from lifetime.world import pem_of

from controller.changes import Outcome
from controller.haproxy.runtime import ask_master
from controller.pem import read_certificate, split_pem
from models.certificates import Certificate, CertificateSource
from models.settings import Bind, ProxySettings
from models.snapshot import SwarmService

log = structlog.get_logger()

SERVICES = 1_000
BURST = 250
ASKED = 100
"""Each service with such a number is asked, and so has servers that run."""
GUARDED = 5
"""Each service with such a number has users."""
CERTIFIED = 20
"""Each service with such a number brings a certificate along."""
HERE = "127.0.0.1"
CONTROL = "control"


@dataclass(frozen=True)
class One:
    """One of the services, and what is to be found behind it."""

    number: int
    path: str
    port: int
    domain: str = ""
    password: str = "first"
    certificate: int = 7
    tasks: int = 1

    @property
    def is_guarded(self) -> bool:
        return self.number % GUARDED == 0

    @property
    def addresses(self) -> tuple[str, ...]:
        """The addresses of all tasks that it will ever have."""
        return tuple(f"127.{10 + slot}.{self.number >> 8}.{self.number & 255}" for slot in range(1, 5))

    def swarm(self) -> SwarmService:
        """Return the service as Swarm tells it."""
        labels = {"servicePath": self.path, "port": str(self.port)}
        if self.domain:
            labels["serviceDomain"] = self.domain
        if self.is_guarded:
            labels["users"] = f"ann:{self.password}"
        if self.number % CERTIFIED == 0:
            labels["serviceCert"] = pem_of(f"s{self.number}.test", self.certificate)
        tasks = [
            task(slot, address=f"{address}/8", task_id=f"{self.number}.{slot}")
            for slot, address in enumerate(self.addresses[: self.tasks], start=1)
        ]
        return service(f"s{self.number:04}", labels, tasks=tasks, id=f"id-{self.number}", younger=self.number)


@dataclass
class Scene:
    """The site, who is there now, and what the master said of its processes at the start."""

    site: Site
    http: int
    origin: int
    other: int
    control: SwarmService
    there: dict[int, One] = field(default_factory=dict)
    processes: str = ""

    async def converge(self) -> None:
        """Have the controller see who is there, until nothing is left to do; nothing may be reloaded."""
        self.site.around.services = snapshot(self.control, *(each.swarm() for each in self.there.values()))
        plans = await self.site.reconcile()
        async with asyncio.timeout(60):
            while plans and not plans[-1].empty:
                assert plans[-1].outcome in {Outcome.RUNTIME, Outcome.START}, plans[-1].reload_reasons
                plans = await self.site.reconcile(resync=True)
        self.processes = self.processes or await self._processes()
        assert await self._processes() == self.processes

    async def _processes(self) -> str:
        """Return the processes with their numbers of reloads, without how long they have been there."""
        answer = await ask_master(self.site.run_dir / "master.sock", "show proc")
        assert re.search(r"^\d+ +master +0 ", answer, re.MULTILINE), answer
        return re.sub(r"\d+d\d+h\d+m\d+s", "", answer)

    async def change(self, change: Callable[[One], One], *, burst: int = 2 * BURST) -> None:
        """Change all services, some at a time; then ask some of them."""
        numbers = [*self.there]
        for first in range(0, len(numbers), burst):
            self.there |= {number: change(self.there[number]) for number in numbers[first : first + burst]}
            await self.converge()
        await self.look()

    async def look(self) -> None:
        """Ask some of the services, each as often as it has tasks: all of these answer, and nobody else."""
        for one in (each for number, each in self.there.items() if number % ASKED == 0):
            request = Request(self.http, one.path, one.domain or "any.test", headers=(login("ann", one.password),))
            found = {(await ask(request, HERE, HERE)).origin for _ in range(2 * one.tasks)}
            assert found == {f"{address}:{one.port}" for address in one.addresses[: one.tasks]}, one
            wrong = replace(request, headers=(login("ann", "wrong"),))
            assert (await ask(wrong, HERE, HERE)).status == (401 if one.is_guarded else 200)

    def measured(self) -> dict[str, int]:
        """Return the memory (KB) and the file descriptors of HAProxy's worker."""
        worker = re.search(r"^(\d+) +worker", self.processes, re.MULTILINE)
        process = Path(f"/proc/{worker[1]}")
        resident = re.search(r"VmRSS:\s+(\d+)", (process / "status").read_text())
        return {"memory": int(resident[1]), "descriptors": len([*(process / "fd").iterdir()])}


@pytest.fixture
def beside() -> Iterator[int]:
    """The port of a service that has nothing to do with the others."""
    with http_server(CONTROL) as port:
        yield port


def certificates(version: int) -> tuple[Certificate, ...]:
    """Return the certificates of the proxy's folder."""
    return tuple(
        read_certificate(f"{name}.pem", CertificateSource.FOLDER, split_pem(pem_of(name, version)))
        for name in ("exact", "wild", "other")
    )


@pytest.mark.timeout(300)
async def test_a_thousand_services_live_without_a_reload(newest: Path, folder: Path, beside: int) -> None:
    """They come, get other labels, tasks, users and certificates, and go; a service beside them sees nothing of it."""
    http, https, origin, other, secure = (free_port() for _ in range(5))
    (folder / "state").mkdir()
    settings = ProxySettings(
        state_dir=folder / "state",
        run_dir=folder / "run",
        default_ports=(Bind(port=http), Bind(port=https, ssl=True)),
        endpoints="tasks",
        maxconn=1000,
    )
    asked = [One(number, "", 0).addresses for number in range(0, SERVICES, ASKED)]
    around = Surrounded(certificates=certificates(0))
    async with (
        origins([each for every in asked for each in every], plain=(origin, other), secure=secure, folder=folder),
        site(newest, folder / "site", settings, around) as made,
    ):
        labels = {"servicePath": f"/{CONTROL}", "port": str(beside)}
        control = service(CONTROL, labels, tasks=[task(address=f"{HERE}/8")])
        scene = Scene(made, http, origin, other, control)
        await scene.converge()
        before, first = scene.measured(), await said(made.dataplane.runtime_socket)
        with Load(http, f"/{CONTROL}", threads=1) as load:
            await live(scene)
        after, last = scene.measured(), await said(made.dataplane.runtime_socket)
        async with twin(newest, made.files, made.run_dir, folder / "twin") as socket:
            assert await said(socket) == last
    assert load.lost == []
    assert sum(load.answers.values()) > 100
    assert last == first
    log.info("HAProxy's worker", before=before, after=after, requests=sum(load.answers.values()))
    assert after["descriptors"] < before["descriptors"] + BURST


async def live(scene: Scene) -> None:
    """Have everything happen."""
    for first in range(0, SERVICES, BURST):
        numbers = range(first, first + BURST)
        scene.there |= {number: One(number, f"/s{number}", scene.origin) for number in numbers}
        await scene.converge()
    await scene.look()
    await scene.change(lambda one: replace(one, path=f"/changed/{one.number}"))
    await scene.change(lambda one: replace(one, domain=f"s{one.number}.test"))
    await scene.change(lambda one: replace(one, domain=f"*.s{one.number % 50}.test"))
    await scene.change(lambda one: replace(one, port=scene.other, domain=""))
    await scene.change(lambda one: replace(one, tasks=4))
    await scene.change(lambda one: replace(one, tasks=2))
    await scene.change(lambda one: replace(one, password="second"))
    for version in (1, 2, 0):
        scene.site.around.certificates = certificates(version)
        await scene.converge()
    await scene.change(lambda one: replace(one, certificate=8))
    for first in range(0, SERVICES, BURST):
        for number in range(first, first + BURST):
            del scene.there[number]
        await scene.converge()
