"""An hour's worth of change and of faults within less than a minute: nothing is lost, nothing grows, nothing is left.

``make soak`` goes on for ten minutes. To go on for longer: ``SWARMGATE_SOAK=3600`` (seconds).
"""

import asyncio
import os
import random
import re
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import pytest
import structlog
from fakes.fake_docker import FakeDocker, Fault
from faults.clients import Clients
from faults.conftest import Site
from lifetime.living import without_leftovers
from lifetime.twin import said, twin
from lifetime.world import pem_of
from roles.processes import STARTED, Proxy, Role, eventually, plain, put
from soak.kinds import BROKEN, Ports, kinds

from models.settings.listener import LONGEST_POLLING

log = structlog.get_logger()

SECONDS = float(os.environ.get("SWARMGATE_SOAK", "24"))
SEED = int(os.environ.get("SWARMGATE_SOAK_SEED", str(random.randrange(1 << 30))))
MOST = 40
"""Services that there are at a time."""
STEPS_PER_FAULT = 40
_BETWEEN_STEPS = 0.01
_ROTATIONS = 0.05
"""The share of changes with which the proxy's own certificate is rotated, too."""
OUTAGES = (Fault.REFUSE, Fault.ERROR, Fault.TRUNCATED, Fault.GARBAGE, Fault.WRONG)


@dataclass
class Soak:
    """A proxy behind a listener, another replica for the clients, and the dice."""

    site: Site
    ports: Ports
    engine: FakeDocker
    listener: Role
    proxy: Proxy
    other: Proxy
    dice: random.Random
    clients: Clients
    numbers: "count[int]" = field(default_factory=lambda: count(1))
    kinds: dict[str, str] = field(default_factory=dict)
    steps: int = 0
    faults: list[str] = field(default_factory=list)

    def change(self) -> None:
        """Let something happen to a service."""
        self.steps += 1
        names = [*self.kinds]
        if self.dice.random() < _ROTATIONS:
            certify(self.site, self.dice.randrange(100))
        if not names or len(names) < self.dice.randrange(MOST):
            self._add()
            return
        name = self.dice.choice(names)
        self.dice.choice((self._relabel, self._relabel, self._scale, self._opt_out, self._remove))(name)

    def _labels(self, number: int) -> tuple[str, dict[str, str]]:
        kind, labels = self.dice.choice([*kinds(number, self.dice.randrange(3), self.ports).items()])
        filled = {"notify": "true", "port": str(self.ports.origin), **labels}
        return kind, {f"com.df.{label}": value for label, value in filled.items()}

    def _add(self) -> None:
        number = next(self.numbers)
        self.kinds[f"s{number}"], labels = self._labels(number)
        self.engine.add_service(f"s{number}", labels, replicas=3)
        for task in self.engine.tasks_of(f"s{number}"):
            task["NetworksAttachments"][0]["Addresses"] = [f"127.9.{number % 250}.{task['Slot']}/8"]
        self.engine.touch()

    def _relabel(self, name: str) -> None:
        self.kinds[name], labels = self._labels(int(name[1:]))
        self.engine.update_service(name, labels)

    def _scale(self, name: str) -> None:
        tasks = self.engine.tasks_of(name)
        if len(tasks) > 1:
            self.engine.end_task(self.dice.choice(tasks)["ID"], desired=self.dice.choice(("shutdown", "running")))

    def _opt_out(self, name: str) -> None:
        self.engine.update_service(name, {"com.df.servicePath": "/gone"})

    def _remove(self, name: str) -> None:
        del self.kinds[name]
        self.engine.remove_service(name)

    # --- Faults ------------------------------------------------------------------------------------------------------

    def lose_the_source(self) -> None:
        """Have the engine answer badly, while the world goes on changing, until the listener has noticed."""
        self.engine.fail(self.dice.choice(OUTAGES))
        for _ in range(5):
            self.change()
        eventually(lambda: self.listener.get("/readyz").json()["message"], "the listener has noticed")
        self.engine.heal()

    def kill_the_listener(self) -> None:
        """Have it killed, and start another one."""
        self.listener.send(signal.SIGKILL)
        self.change()
        self.listener.start()
        eventually(self.listener.ready, "the next listener is ready", within=STARTED)

    def kill_the_controller(self) -> None:
        """Have it killed at any moment, and start another one."""
        self.change()
        self.proxy.send(signal.SIGKILL)
        self.proxy.start()
        try:
            eventually(self.proxy.ready, "the next controller is ready", within=STARTED)
        except AssertionError as error:
            error.add_note(self.proxy.words()[-5000:])
            raise

    def kill_haproxy(self) -> None:
        """Have its youngest worker killed; while there is none, and only then, the other replica has the answers."""
        killed = eventually(lambda: self.haproxy, "HAProxy runs")[-1]
        os.kill(killed, signal.SIGKILL)
        eventually(lambda: len(self.haproxy) > 1 and killed not in self.haproxy, "others run", within=STARTED)
        eventually(lambda: self.proxy.status("/web") == 200, "it serves", within=STARTED)
        self.clients.go_on()
        self.clients.missed = 0

    def fault(self, kinds: tuple[Callable[[], None], ...]) -> None:
        """Let one of these happen; if HAProxy is not what it happens to, each request was answered by the proxy."""
        fault = self.dice.choice(kinds)
        self.faults.append(fault.__name__)
        assert self.clients.missed == 0, self.faults
        fault()

    # --- What it comes to --------------------------------------------------------------------------------------------

    def go_on(self, seconds: float, kinds: tuple[Callable[[], None], ...]) -> None:
        """Let changes and faults happen for some seconds."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.change()
            if self.steps % STEPS_PER_FAULT == 0:
                self.fault(kinds)
            time.sleep(_BETWEEN_STEPS)

    def settle(self) -> None:
        """Wait until the proxy has programmed the world, and no former worker is left."""
        self.engine.heal()
        name = f"settled-{self.steps}"
        self.engine.add_service(name, self.site.labels(f"/{name}"))
        eventually(lambda: self.proxy.status(f"/{name}") == 200, "the last change is carried out")
        self.engine.remove_service(name)
        eventually(lambda: self.proxy.status(f"/{name}") == 503, "and taken back")
        eventually(lambda: len(self.haproxy) == 2, "there are no former workers")

    @property
    def haproxy(self) -> list[int]:
        """The process ids of HAProxy: its master, and then its workers."""
        master = self.proxy.master
        children = subprocess.run(["pgrep", "-P", str(master)], capture_output=True, text=True, check=False)
        return [master, *map(int, children.stdout.split())] if master else []

    def measured(self) -> dict[str, int]:
        """Return the descriptors, threads and memory (KB) of the listener, the controller, and HAProxy's worker."""
        found = {}
        assert self.listener.process is not None
        assert self.proxy.process is not None
        who = {"listener": self.listener.process.pid, "controller": self.proxy.process.pid, "HAProxy": self.haproxy[-1]}
        for name, pid in who.items():
            folder = Path(f"/proc/{pid}")
            status = dict(re.findall(r"^(\w+):\s+(\d+)", (folder / "status").read_text(), re.MULTILINE))
            found |= {
                f"descriptors of {name}": len([*(folder / "fd").iterdir()]),
                f"threads of {name}": int(status["Threads"]),
                f"memory of {name}": int(status["VmRSS"]),
            }
        return found

    def mend(self) -> None:
        """Remove the services whose owners made a mistake: what is in force of them depends on what was before."""
        for name in [name for name, kind in self.kinds.items() if kind in BROKEN]:
            self._remove(name)


@pytest.fixture
def soak(site: Site) -> Soak:
    """All of it, ready."""
    log.info("The dice are thrown", seed=SEED)
    ports = Ports.free(site.port)
    engine = site.engine("web")
    listener = site.listener(engine.docker_host, RESYNC_INTERVAL="2")
    eventually(listener.ready, "the listener is ready")
    certify(site, 0)
    proxy = start(site, listener, ports)
    stack_file = site.home / "stack.yml"
    put(stack_file, {"web": plain(site.port, "/web")})
    other = site.proxy("--stack-file", str(stack_file))
    eventually(other.ready, "the other replica is ready")
    clients = Clients(proxy.http, other.http)
    return Soak(site, ports, engine, listener, proxy, other, random.Random(SEED), clients)


def certify(site: Site, version: int) -> None:
    """Have a certificate in the proxy's folder; without one, each state would have another one of its own."""
    folder = site.home / "certs"
    folder.mkdir(exist_ok=True)
    fresh = folder / "proxy.new"
    fresh.write_text(pem_of("proxy.test", version))
    fresh.replace(folder / "proxy.pem")


def start(site: Site, listener: Role, ports: Ports) -> Proxy:
    """Start a proxy with an empty state."""
    proxy = site.proxy(
        *("--listener-address", f"127.0.0.1:{listener.api}"),
        DEFAULT_PORTS=f"{ports.http},{ports.https}:ssl",
        CERTS_DIR=str(site.home / "certs"),
        RESYNC_INTERVAL="2",
    )
    proxy.http = ports.http
    eventually(proxy.ready, "the proxy is ready")
    return proxy


@pytest.mark.haproxy
@pytest.mark.timeout(SECONDS + 150)
def test_an_hour(soak: Soak, newest: Path) -> None:
    """First with controllers, listeners and HAProxy killed, then, to see whether they grow, without."""
    with soak.clients:
        outages = (soak.lose_the_source, soak.lose_the_source)
        soak.go_on(SECONDS / 2, (*outages, soak.kill_the_listener, soak.kill_the_controller, soak.kill_haproxy))
        soak.go_on(SECONDS / 8, outages)
        soak.settle()
        before = soak.measured()
        soak.go_on(SECONDS * 3 / 8, outages)
        soak.mend()
        soak.settle()
        after = soak.measured()
        assert soak.clients.missed == 0
    log.info("Soaked", steps=soak.steps, faults=len(soak.faults), before=before, after=after)
    assert "Traceback" not in soak.proxy.words() + soak.listener.words()
    assert grown(before, after) == {}
    same_as_fresh(soak, newest)


def grown(before: dict[str, int], after: dict[str, int]) -> dict[str, tuple[int, int]]:
    """Return what has become more than chance has it: some descriptors, threads of a pool, and a quarter of memory."""
    allowed = {"descriptors": lambda had: had + 20, "threads": lambda had: had + 6, "memory": lambda had: had * 1.25}
    return {
        name: (before[name], had) for name, had in after.items() if had > allowed[name.partition(" ")[0]](before[name])
    }


def same_as_fresh(soak: Soak, binary: Path) -> None:
    """Compare what HAProxy runs with what its files say, and with what a proxy has that has only just been started."""
    time.sleep(LONGEST_POLLING + 1)  # until all is read that no event tells of, such as a task that has ended
    soak.settle()
    running = asyncio.run(told(soak.proxy, binary, soak.site.home / "twin"))
    soak.proxy.send(signal.SIGTERM)
    soak.proxy = start(soak.site, soak.listener, soak.ports)
    soak.settle()
    fresh = asyncio.run(told(soak.proxy, binary, soak.site.home / "twin"))
    assert difference(running, fresh) == {}


async def told(proxy: Proxy, binary: Path, folder: Path) -> dict[str, object]:
    """Return what HAProxy says that it runs; its files say the same."""
    run = proxy.home / "run"
    async with twin(binary, proxy.home / "state" / "haproxy" / "current", run, folder) as socket:
        running, files = await said(run / "runtime.sock"), await said(socket)
    assert difference(running, files) == {}
    return running


def difference(running: dict[str, object], other: dict[str, object]) -> dict[str, object]:
    """Return in what two differ, of what counts: what only one of them has."""
    running = without_leftovers(running, other, dynamic=True)
    parts = {part: (_items(running.get(part)), _items(other[part])) for part in other}
    return {part: (one - two, two - one) for part, (one, two) in parts.items() if one != two}


def _items(said_of_it: object) -> Counter[object]:
    return Counter(said_of_it.items() if isinstance(said_of_it, dict) else said_of_it)
