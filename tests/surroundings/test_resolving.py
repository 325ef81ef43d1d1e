"""Names outside the Swarm, as the machine's resolver answers, or does not."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from controller.resolving import HostResolver


class NameServer:
    """What the machine's resolver says: addresses by name; names in ``hanging`` wait until ``release``."""

    def __init__(self) -> None:
        self.answers: dict[str, str] = {}
        self.hanging: set[str] = set()
        self.asked: list[str] = []
        self.release = threading.Event()

    def getaddrinfo(self, host: str, port: object, **_: object) -> list[tuple[object, ...]]:
        """Answer as `socket.getaddrinfo` does."""
        self.asked.append(host)
        if host in self.hanging:
            self.release.wait()
        if host not in self.answers:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (self.answers[host], port))]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[NameServer]:
    """A resolver in place of the machine's."""
    server = NameServer()
    monkeypatch.setattr(socket, "getaddrinfo", server.getaddrinfo)
    yield server
    server.release.set()


async def test_the_last_answer_counts_while_there_is_none(names: NameServer) -> None:
    """A name is forgotten only when nobody wants it any more."""
    resolver = HostResolver()
    names.answers["db.example"] = "192.0.2.1"
    assert await resolver.resolve(["db.example", "gone.example"]) == {"db.example": ("192.0.2.1",)}
    names.answers.clear()
    assert await resolver.resolve(["db.example"]) == {"db.example": ("192.0.2.1",)}
    names.answers["db.example"] = "192.0.2.2"
    assert await resolver.resolve(["db.example"]) == {"db.example": ("192.0.2.2",)}
    assert await resolver.resolve([]) == {}
    names.answers.clear()
    assert await resolver.resolve(["db.example"]) == {}


async def test_names_that_hang_hold_up_nobody_and_nothing_else(names: NameServer) -> None:
    """They are waited for once, asked for by one thread each, and what others do in threads goes on."""
    resolver = HostResolver(timeout=0.2)
    hanging = {f"h{number}.example" for number in range(40)}
    names.hanging = {*hanging, "late.example"}
    names.answers = {"good.example": "192.0.2.1", "late.example": "192.0.2.9"}

    assert await resolver.resolve({"good.example", *names.hanging}) == {"good.example": ("192.0.2.1",)}
    began = time.monotonic()
    for _ in range(10):
        assert await resolver.resolve({"good.example", *names.hanging}) == {"good.example": ("192.0.2.1",)}
    assert time.monotonic() - began < 2
    assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    assert sorted(host for host in names.asked if host in hanging) == sorted(hanging)

    names.release.set()
    async with asyncio.timeout(5):
        while "late.example" not in await resolver.resolve({"good.example", "late.example"}):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("name", ["a..b", "a" * 70 + ".example", "."])
async def test_what_cannot_be_a_name_has_no_address(name: str) -> None:
    """It is no reason to stop."""
    assert await HostResolver().resolve([name]) == {}
