"""A lifetime: changes happen one after the other, and after each one everything that can be told agrees.

What the running HAProxy answers is what one would that were started from the files, and what the rules say in plain
words; what it says of itself is what the files say; and the controller, the same one or the next, finds nothing to do.
"""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Iterable, Iterator
from dataclasses import dataclass, field, fields, replace
from pathlib import Path

from builders import snapshot
from haproxy.loopback import free_port
from lifetime.asking import Request, ask, login
from lifetime.origins import origins
from lifetime.rules import Rules
from lifetime.site import KilledError, Site, Surrounded, killed_after, site
from lifetime.twin import ADDRESS, said, twin
from lifetime.world import ADDRESSES, NAMES, Change, Killed, Ports, Reloaded, Restarted, Service, World, pem_of, told

from controller.judging import Judged, judge
from controller.pem import read_certificate, split_pem
from models.certificates import CertificateSource
from models.observed import Capability, Observed
from models.settings import Bind, ProxySettings

RUNNING = "127.0.0.1"
CONTROL = "control.test"
_CONTROL_LABELS = {"servicePath": "/", "serviceDomain": CONTROL, "port": "{origin}", "priority": "1000"}
"""A service that has nothing to do with all the others, and is always there."""

HOSTS = ("x.com", "x.com", "a.x.com", "b.a.X.com:80", "y.org", "evilx.com", "else.net", "old.com")
PATHS = ("/", "/a", "/a/b", "/a/b/c", "/b", "/B", "/a;v=1/z", "/one", "/two", "/.well-known/acme-challenge/x")
_LOGINS = (("ann", "a"), ("ann", "b"), ("bob", "b c"), ("bob", "ü:#"), ("ann", "secret"), ("ann", "A"), ("", ""))
_HEADERS = (
    *(login(*each) for each in _LOGINS),
    "X-Version: 2",
    "User-Agent: curl/8",
    "X-Set: client",
    "X-Add: client",
    "X-Gone: client",
    "X-Forwarded-Proto: http",
)


def requests_of(dice: random.Random, ports: Ports) -> Iterator[Request]:
    """Return requests of all kinds."""
    for _ in range(24):
        yield _request(dice, ports.http, dice.choice(HOSTS))
    for _ in range(8):
        yield _request(dice, ports.https, dice.choice(HOSTS).partition(":")[0].lower(), secure=True)
    again = _request(dice, ports.http, "x.com")
    yield from (again,) * 4
    for name in ("x.com", "a.x.com", "y.org"):
        yield Request(ports.passed, "/", name, secure=True)
    for place in (1, 2):
        yield Request(ports.tcp, "/", "x.com", place=place)


def _request(dice: random.Random, port: int, host: str, *, secure: bool = False) -> Request:
    headers = tuple(dict.fromkeys(dice.choice(_HEADERS) for _ in range(dice.randrange(4))))
    names = [header.partition(":")[0] for header in headers]
    return Request(
        port,
        dice.choice(PATHS),
        host,
        dice.choice(("GET", "GET", "GET", "POST")),
        tuple(header for number, header in enumerate(headers) if names[number] not in names[:number]),
        dice.choice((1, 2, 3)),
        secure,
    )


@dataclass
class Life:
    """A site in use; ``happened`` are the changes so far."""

    site: Site
    ports: Ports
    folder: Path
    world: World = field(default_factory=lambda: World({}, {}))
    happened: list[Change] = field(default_factory=list)
    steps: int = 0
    dynamic: bool = False

    async def begin(self) -> None:
        """Start HAProxy with the control service only."""
        self._tell()
        await self._converge()
        self.dynamic = Capability.DYNAMIC_BACKENDS in (await self.site.dataplane.observe()).capabilities
        await self._compare()

    async def live(self, changes: Iterable[Change]) -> None:
        """Let changes happen; whatever does not agree afterwards is told with all that happened before."""
        for change in changes:
            self.happened.append(change)
            try:
                async with self.undisturbed():
                    await self._happen(change)
                await self._compare()
            except Exception as error:
                error.add_note(f"after these changes, the last of which is the one:\n{told(self.happened)}")
                raise

    async def end(self) -> None:
        """Reload HAProxy: what it answers stays the same."""
        await self.live([Reloaded()])

    async def _happen(self, change: Change) -> None:
        change.apply(self.world)
        self._tell()
        if isinstance(change, Restarted):
            self.site.restart_controller()
            plans = await self.site.reconcile()
            assert [plan for plan in plans if not plan.empty] == [], "a new controller finds something to do"
        if isinstance(change, Reloaded):
            await self.site.dataplane.process.reload()
            self.site.reconciler.forget_observed()
        if isinstance(change, Killed):
            await self._interrupt(change.steps)
        await self._converge()

    async def _interrupt(self, steps: int) -> bool:
        """Have the controller killed after some steps, if it takes so many, and start another one."""
        with killed_after(steps):
            try:
                await self.site.reconcile()
            except KilledError:
                self.site.restart_controller()
                return True
        return False

    async def survives(self, change: Change, steps: int) -> bool:
        """Let a change happen whose controller is killed after some steps; False if it does not take so many.

        Those who have nothing to do with it notice nothing, and the next controller carries it through.
        """
        change.apply(self.world)
        self._tell()
        async with self.undisturbed():
            killed = await self._interrupt(steps)
            await self._converge()
        return killed

    def _tell(self) -> None:
        control = Service(_CONTROL_LABELS).swarm(NAMES[0], self.ports)
        control = control.model_copy(update={"name": "control", "id": "control"})
        services = (each.swarm(name, self.ports) for name, each in self.world.services.items())
        self.site.around.services = snapshot(control, *services)
        self.site.around.certificates = self.world.folder()

    async def _converge(self) -> None:
        """Reconcile until it is done, then once more as the slow timer does: there is nothing left to do."""
        await self.site.reconcile()
        believed = self.site.believed
        observed = await self.site.dataplane.observe()
        assert believed is None or _essence(believed) == _essence(observed), "the controller is mistaken"
        plans = await self.site.reconcile(resync=True)
        assert [plan for plan in plans if not plan.empty] == [], "there is something left to do"

    async def _compare(self) -> None:
        """Compare what is answered and what is said, here and by a HAProxy that is started from the files in force."""
        site, number = self.site, self.steps
        self.steps += 1
        requests = [*requests_of(random.Random(number), self.ports)]
        async with twin(site.binary, site.files, site.run_dir, self.folder / "twin") as socket:
            running, fresh = await said(site.dataplane.runtime_socket), await said(socket)
            running = without_leftovers(running, fresh, dynamic=self.dynamic)
            differing = {part: (running.get(part), fresh[part]) for part in fresh if running.get(part) != fresh[part]}
            assert not differing, f"HAProxy and its files differ: {differing}"
            answers = [await ask(each, RUNNING, _client(each, number)) for each in requests]
            others = [await ask(each, ADDRESS, _client(each, number)) for each in requests]
        rules = Rules(self._judged(), self.ports, site.reconciler.status.desired.certificates)
        for request, answer, other in zip(requests, answers, others, strict=True):
            allowed = rules.expected(request, _client(request, number))
            story = f"{request}\n  running: {answer}\n  from files: {other}\n  expected: {allowed}"
            assert allowed is None or any(each.allows(answer) for each in allowed), story
            assert allowed is None or any(each.allows(other) for each in allowed), story
            assert allowed is None or len(allowed) > 1 or answer.comparable == other.comparable, story

    def _judged(self) -> Judged:
        """Return which form of every service is in force."""
        site, reconciler = self.site, self.site.reconciler
        refusals = reconciler._quarantine.refusals
        return judge(site.around.services, site.settings, forms=reconciler.forms, rejected=refusals)

    @contextlib.asynccontextmanager
    async def undisturbed(self) -> AsyncIterator[None]:
        """Ask the control service all the time, as long as the block runs: it always answers."""
        statuses: set[int] = set()
        done = asyncio.Event()

        async def load() -> None:
            while not done.is_set():
                statuses.add((await ask(Request(self.ports.http, "/", CONTROL), RUNNING, RUNNING)).status)
                await asyncio.sleep(0.002)

        task = asyncio.create_task(load())
        try:
            yield
        finally:
            done.set()
            await task
        assert statuses <= {200}, f"a service that has nothing to do with it was answered with {statuses}"


@contextlib.asynccontextmanager
async def living(binary: Path, folder: Path, ports: Ports | None = None) -> AsyncIterator[Life]:
    """Run HAProxy below a folder until the end of the block; with the servers behind it unless ``ports`` has theirs."""
    own = ports or Ports(**{each.name: free_port() for each in fields(Ports)})
    (folder / "state").mkdir()
    settings = ProxySettings(
        state_dir=folder / "state",
        run_dir=folder / "run",
        default_ports=(Bind(port=own.http), Bind(port=own.https, ssl=True)),
        extra_frontend="http-after-response set-header X-Backend %[be_name]",
        maxconn=500,
    )
    fallback = read_certificate("fallback", CertificateSource.SELF_SIGNED, split_pem(pem_of("none", 0)))
    async with contextlib.AsyncExitStack() as stack:
        if ports is None:
            await stack.enter_async_context(serving(own, folder))
        made = await stack.enter_async_context(site(binary, folder, settings, Surrounded(fallback=fallback)))
        life = Life(made, own, folder)
        await life.begin()
        yield life


def serving(ports: Ports, folder: Path) -> contextlib.AbstractAsyncContextManager[None]:
    """Return the servers behind all lives that have these ports."""
    return origins(ADDRESSES, plain=(ports.origin, ports.other), secure=ports.secure, folder=folder)


def _client(request: Request, number: int) -> str:
    """Return the address of a client that has never asked for anything before."""
    return f"127.{request.place}.{number >> 8}.{number & 255}"


def _essence(observed: Observed) -> Observed:
    """Return the same without the backends that are the proxy's own, and without maps that hold nothing."""
    return replace(
        observed,
        backends={name: each for name, each in observed.backends.items() if ":" not in name},
        maps={file: {**entries} for file, entries in observed.maps.items() if entries},
    )


def without_leftovers(running: dict[str, object], fresh: dict[str, object], *, dynamic: bool) -> dict[str, object]:
    """Return the same without what only a reload can take away: unused tables and, before HAProxy 3.4, backends."""
    known = set(fresh["backends"])
    gone = {name for name in running["backends"] if name not in known and (":" in name or not dynamic)}
    return running | {
        "backends": [name for name in running["backends"] if name not in gone],
        "statistics": [row for row in running["statistics"] if row[0] not in gone],
        "servers": [row for row in running["servers"] if row[0] not in gone],
    }
