"""Requests lost while everything changes: services, the number of their tasks, their versions, and certificates.

Clients send requests all the time to a service with a virtual IP, to one whose tasks are replaced, and by TLS. Tasks
end as Swarm ends them: their server is told to stop in the very moment in which they are not wanted any more.

A request is lost whatever the reason. Some HTTP clients would send one again whose kept connection was closed in the
moment they sent it (RFC 9112, 9.3.1); it is counted all the same, and what it was is told.
"""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import Engine, engine
from benchmarks.measurement import Finding, Limit, Measurement
from benchmarks.origins import origins
from benchmarks.roles import Role, eventually, proxy, status
from benchmarks.steady_load import Load, running
from benchmarks.task_origins import TaskOrigin
from benchmarks.world import Request

_NONE = Limit(0, 0)
_SIZE = 1_000
_TASKS = 90_000
"""The number of the service whose tasks come and go."""
_REPLICAS = 3
_SETTLE = 0.5
"""Seconds between two steps: Swarm's own are longer."""
_LIMIT = 60.0

Step = Callable[["Scene"], Awaitable[None]]


class Scene:
    """A proxy under load, and what can be done to its world."""

    def __init__(
        self, context: Context, docker: Engine, role: Role, *, size: int, origin: int, certificates: Path
    ) -> None:
        self.context = context
        self.size = size
        self._docker = docker
        self._role = role
        self._origin = origin
        self._certificates = certificates
        (self._task_port,) = free_ports()
        self._tasks: dict[str, TaskOrigin] = {}
        self._turn = 0

    async def call(self, command: str, *arguments: object) -> Any:  # noqa: ANN401 - what the engine returns
        """Have the engine do something, while the load goes on."""
        return await asyncio.to_thread(self._docker.call, command, *arguments)

    async def until(self, path: str, wanted: int) -> None:
        """Wait until the proxy answers a path with a status."""
        async with asyncio.timeout(_LIMIT):
            while await asyncio.to_thread(status, self._role.http, Request(path)) != wanted:  # noqa: ASYNC110
                await asyncio.sleep(0.05)

    async def start_tasks(self) -> None:
        """Create the service whose tasks come and go, and wait until it is routed."""
        await self.call("add_scaled", _TASKS, self._task_port, _REPLICAS)
        for id_, address in await self.call("tasks", _TASKS):
            await self._run(id_, address)
        await self.until(f"/s{_TASKS:05d}", 200)

    async def change_services(self) -> None:
        """Add, re-label and remove other services."""
        for turn in range(self.context.rounds(full=20, quick=5)):
            number = 80_000 + turn
            await self.call("add", "plain", number, self._origin)
            await self.until(f"/s{number:05d}", 200)
            await self.call("relabel", "plain", number, self._origin, turn)
            await self.call("relabel", "plain", 0, self._origin, turn)
            await self.until(f"/relabelled-{turn}-s{number:05d}", 200)
            await self.call("remove", number)
            await self.until(f"/s{number:05d}", 503)

    async def reload(self) -> None:
        """Add services that need a reload: each has a rule of its own."""
        for turn in range(self.context.rounds(full=5, quick=2)):
            number = 70_000 + turn
            await self.call("add", "own rewrite", number, self._origin)
            await self.until(f"/s{number:05d}", 200)

    async def scale(self) -> None:
        """Scale a service up and down."""
        for _ in range(self.context.rounds(full=5, quick=2)):
            await self.call("scale", _TASKS, 2 * _REPLICAS)
            added = [await self._add(slot) for slot in range(_REPLICAS + 1, 2 * _REPLICAS + 1)]
            await asyncio.sleep(2 * _SETTLE)
            await self.call("scale", _TASKS, _REPLICAS)
            for id_ in added:
                await self._end(id_)
            await asyncio.sleep(2 * _SETTLE)

    async def update(self, *, start_first: bool) -> None:
        """Replace each task by another one, in turn."""
        for _ in range(self.context.rounds(full=3, quick=1)):
            await self.call("update", _TASKS, "updating")
            for slot, old in enumerate(list(self._tasks), start=1):
                if start_first:
                    await self._add(slot)
                    await asyncio.sleep(_SETTLE)
                await self._end(old)
                await asyncio.sleep(_SETTLE)
                if not start_first:
                    await self._add(slot)
                    await asyncio.sleep(2 * _SETTLE)
            await self.call("update", _TASKS, "completed")

    async def rotate(self) -> None:
        """Replace the certificate that clients are shown."""
        for turn in range(self.context.rounds(full=20, quick=4)):
            write_certificate(self._certificates, f"turn {turn}")
            await asyncio.sleep(2 * _SETTLE)

    async def _add(self, slot: int) -> str:
        id_, address = await self.call("add_task", _TASKS, slot)
        await self._run(id_, address)
        return str(id_)

    async def _run(self, id_: str, address: str) -> None:
        origin = self._tasks[id_] = TaskOrigin(address, self._task_port)
        await origin.start()
        await self.call("run_task", id_)

    async def _end(self, id_: str) -> None:
        await self.call("end_task", id_)
        self._tasks.pop(id_).stop()


STEPS: Mapping[str, Step] = {
    "added, re-labelled and removed": Scene.change_services,
    "added at the cost of a reload": Scene.reload,
    "scaled": Scene.scale,
    "updated, new tasks first": lambda scene: scene.update(start_first=True),
    "updated, old tasks first": lambda scene: scene.update(start_first=False),
    "given new certificates": Scene.rotate,
}


def run(context: Context) -> Iterator[Finding]:
    """Do each step under load."""
    size = min(_SIZE, context.large)
    origin, api, http, tls = free_ports(4)
    with scratch() as folder:
        certificates = folder / "certs"
        certificates.mkdir()
        write_certificate(certificates, "first")
        with origins(context, origin, size, folder), engine(folder / "docker.sock", "plain", size, origin) as docker:
            given = {"DOCKER_HOST": docker.docker_host, "DEFAULT_PORTS": f"{http},{tls}:ssl"}
            with proxy(context, folder, given, ports=(api, http)) as role:
                eventually(role.is_ready, "the proxy is ready", role)
                scene = Scene(context, docker, role, size=size, origin=origin, certificates=certificates)
                yield from asyncio.run(_perform(scene, role, tls))


async def _perform(scene: Scene, role: Role, tls: int) -> list[Measurement]:
    await scene.start_tasks()
    rows = []
    for name, step in STEPS.items():
        loads = {
            "virtual IP": Load(role.http, Request("/s00000")),
            "tasks": Load(role.http, Request(f"/s{_TASKS:05d}")),
            "TLS": Load(tls, Request("/s00001"), _trusting()),
        }
        before = role.reloads
        async with running(list(loads.values())):
            await step(scene)
        rows.append(_row(f"lost while services are {name}", loads, role.reloads - before))
    return rows


def _row(name: str, loads: Mapping[str, Load], reloads: int) -> Measurement:
    answered = sum(each.answered for each in loads.values())
    lost = {who: dict(each.lost) for who, each in loads.items() if each.lost}
    note = f"{answered:,} answered; {reloads} reloads{f'; {lost}' if lost else ''}"
    return Measurement(name, sum(each.lost.total() for each in loads.values()), "requests", _NONE, note=note)


def _trusting() -> ssl.SSLContext:
    made = ssl.create_default_context()
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    return made


def write_certificate(folder: Path, organization: str) -> None:
    """Put a certificate for ``localhost`` with its key into a folder, in place of the one that is there."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COMMON_NAME, "localhost"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, organization),
        ]
    )
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = made.public_bytes(Encoding.PEM)
    pem += key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    temporary = folder.with_name("new.pem")
    temporary.write_bytes(pem)
    temporary.replace(folder / "localhost.pem")
