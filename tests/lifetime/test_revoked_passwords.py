"""Passwords change while clients log in all the time: who may not pass never does, and who may always does."""

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from builders import service, snapshot, task
from haproxy.loopback import free_port, http_server
from lifetime.asking import Request, ask, login
from lifetime.site import Site, Surrounded, site

from controller.changes import Outcome
from models.settings import Bind, ProxySettings

HERE = "127.0.0.1"
CHANGES = 12
HASHES = {
    "kept": "$1$saltsalt$iwb8TS5vri.fv78FO2lvH.",
    "one": "$1$saltsalt$e6Tp.CsfN0eElmaoD0tBJ.",
    "two": "$1$saltsalt$whmtCIIV4J7cMeMUfb0gi0",
    "three": "$1$saltsalt$866Rb/qVII2GUsaU6M.cm.",
}
"""Words as ``mkpasswd`` hashes them in the cheapest way."""


@dataclass
class Door:
    """A site with a guarded service, and what was answered to those who wanted to pass.

    ``current`` is bob's password once it is programmed, None while it changes; ``revoked`` are those of before.
    """

    site: Site
    port: int
    origin: int
    current: str | None = None
    revoked: set[str] = field(default_factory=set)
    answers: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    async def give(self, users: str, password: str, **more: str) -> Outcome:
        """Give bob another password, wait until it is programmed, and return how."""
        former, self.current = self.current, None
        labels = {"servicePath": "/web", "port": str(self.origin), "users": users, **more}
        self.site.around.services = snapshot(
            service("web", labels, tasks=[task(address=f"{HERE}/8")], vips=[f"{HERE}/8"])
        )
        (plan,) = await self.site.reconcile()
        self.current = password
        self.revoked = (self.revoked | {former}) - {None, password}
        return plan.outcome

    def judge(self, who: str, password: str, status: int, *, before: "Moment") -> None:
        """Compare an answer with what was programmed when it was asked for, and still is."""
        self.answers[who, status] += 1
        may_pass = who == "ann" or (who == "bob" and password == before.current == self.current)
        may_not = who == "eve" or (who == "bob" and password in before.revoked and password in self.revoked)
        if (may_pass and status != 200) or (may_not and status != 401):
            self.wrong.append(f"{who} with {password} was answered with {status}")

    @property
    def now(self) -> "Moment":
        """What is programmed now."""
        return Moment(self.current, frozenset(self.revoked))


@dataclass(frozen=True)
class Moment:
    """What was programmed at some moment."""

    current: str | None
    revoked: frozenset[str]


Send = Callable[[str, str], "asyncio.Future[int]"]


class Kept:
    """A connection that is kept for as long as the proxy wants to."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        self.connections = 0

    async def send(self, who: str, password: str) -> int:
        """Return the status of a request; what was closed before it was answered is sent again."""
        while True:
            if self._streams is None:
                self._streams = await asyncio.open_connection(HERE, self._port)
                self.connections += 1
            reader, writer = self._streams
            try:
                writer.write(f"GET /web HTTP/1.1\r\nHost: x.com\r\n{login(who, password)}\r\n\r\n".encode())
                head = await reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                self.close()
                continue
            length = next(int(line.split(b":")[1]) for line in head.lower().split(b"\r\n") if b"content-length" in line)
            await reader.readexactly(length)
            if b"connection: close" in head.lower():
                self.close()
            return int(head.split()[1])

    def close(self) -> None:
        """Forget the connection."""
        if self._streams is not None:
            self._streams[1].close()
        self._streams = None


async def once(port: int, who: str, password: str) -> int:
    """Return the status of a request over a connection of its own."""
    return (await ask(Request(port, "/web", headers=(login(who, password),)), HERE, HERE)).status


@contextlib.asynccontextmanager
async def crowd(door: Door, passwords: tuple[str, ...]) -> AsyncIterator[None]:
    """Have ann, bob and eve log in all the time, over connections of their own and over kept ones.

    Ann's password is never changed, bob tries all that he ever had, and eve has never had any.
    """
    done = asyncio.Event()
    kept = [Kept(door.port) for _ in range(3)]

    async def log_in(who: str, words: tuple[str, ...], send: Callable[[str, str], object]) -> None:
        for password in cycle(words):
            if done.is_set():
                break
            before = door.now
            door.judge(who, password, await send(who, password), before=before)
            await asyncio.sleep(0)

    people = {"ann": ("kept",), "bob": passwords, "eve": ("kept", *passwords, "")}
    async with asyncio.TaskGroup() as group:
        for (who, words), connection in zip(people.items(), kept, strict=True):
            group.create_task(log_in(who, words, lambda name, password: once(door.port, name, password)))
            group.create_task(log_in(who, words, connection.send))
        try:
            yield
        finally:
            done.set()
    for connection in kept:
        connection.close()


@contextlib.asynccontextmanager
async def opened(version: str, folder: Path) -> AsyncIterator[Door]:
    """Run a site without services."""
    (folder / "state").mkdir()
    port = free_port()
    settings = ProxySettings(
        state_dir=folder / "state", run_dir=folder / "run", default_ports=(Bind(port=port),), maxconn=500
    )
    with http_server("let in") as origin:
        async with site(haproxy_binary(version), folder / "site", settings, Surrounded()) as made:
            yield Door(made, port, origin)


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_revoked_password_is_refused_for_ever(version: str, folder: Path) -> None:
    """From the moment in which its change is programmed; that costs no reload and refuses nobody else."""
    passwords = tuple(f"password {number}" for number in range(CHANGES))
    async with opened(version, folder) as door:
        await door.give(f"ann:kept,bob:{passwords[0]}", passwords[0])
        async with crowd(door, passwords):
            for password in passwords[1:]:
                await asked_a_while(door)
                assert await door.give(f"bob:{password},ann:kept", password) is Outcome.RUNTIME
            await asked_a_while(door)
    assert door.wrong == []
    assert {("ann", 200), ("bob", 200), ("bob", 401), ("eve", 401)} <= door.answers.keys()


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
async def test_a_revoked_hash_is_refused_for_ever(version: str, folder: Path) -> None:
    """The same for passwords that are only known as hashes of crypt(3), whose changes are loaded."""
    passwords = [word for word in HASHES if word != "kept"]
    async with opened(version, folder) as door:
        users = [f"ann:{HASHES['kept']},bob:{HASHES[password]}" for password in passwords]
        await door.give(users[0], passwords[0], usersPassEncrypted="true")
        async with crowd(door, tuple(passwords)):
            for password, list_ in [*zip(passwords, users, strict=True)][1:]:
                await asked_a_while(door)
                assert await door.give(list_, password, usersPassEncrypted="true") is Outcome.RELOAD
            await asked_a_while(door)
    assert door.wrong == []
    assert {("ann", 200), ("bob", 200), ("bob", 401), ("eve", 401)} <= door.answers.keys()


async def asked_a_while(door: Door) -> None:
    """Wait until everybody has asked for some more times."""
    before = Counter(door.answers)
    async with asyncio.timeout(30):
        while any(_asked(door.answers, who) < _asked(before, who) + 20 for who in ("ann", "bob", "eve")):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


def _asked(answers: Counter[tuple[str, int]], who: str) -> int:
    return sum(count for (name, _), count in answers.items() if name == who)
