"""Talking with HAProxy's sockets: many commands at once, and clear words when nobody answers."""

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from haproxy.worlds import ENDINGS, PREFIXES, world

from controller.changes import Plan
from controller.errors import TemporaryError
from controller.haproxy.answers import parse_map
from controller.haproxy.commands import Command
from controller.haproxy.dataplane import HAProxyDataplane
from controller.haproxy.runtime import NoListenerError, Session, ask_master, read_all, session


@pytest.fixture
async def runtime_socket(dataplane: HAProxyDataplane, port: int) -> Path:
    """The socket of a running HAProxy."""
    await dataplane.apply(Plan(start=True), world(runtime_socket=dataplane.runtime_socket, port=port))
    return dataplane.runtime_socket


async def test_thousands_of_commands_take_a_moment(runtime_socket: Path) -> None:
    """Each answer belongs to its command."""
    adds = [Command(f"add map {PREFIXES} /service-{n}/ service-{n}") for n in range(2000)]
    sets = [Command(f"set map {PREFIXES} /service-{n}/ x") for n in range(1990, 2010)]
    async with session(runtime_socket) as runtime:
        began = time.monotonic()
        assert set(await runtime.execute(adds)) == {""}
        assert time.monotonic() - began < 5
        assert await runtime.execute(sets) == [""] * 10 + ["entry not found."] * 10
        assert len(parse_map((await runtime.ask(f"show map {PREFIXES}"))[0])) == 2000
        assert await runtime.execute([]) == []


async def test_payloads_and_plain_commands_mix(runtime_socket: Path) -> None:
    """HAProxy before 3.4 asks for each line of a payload, later ones do not."""
    payload = "\n".join(f"/p{n}/ x" for n in range(300))
    async with session(runtime_socket) as runtime:
        first, prepared, second, third = await runtime.execute(
            [
                Command(f"add map {ENDINGS} <<", payload=payload),
                Command(f"prepare map {ENDINGS}"),
                Command(f"add map {ENDINGS} <<", payload="+ plus"),
                Command("show backend"),
            ]
        )
        assert (first, prepared, second, third) == ("", "New version created: 1", "", "# name")
        assert len(parse_map((await runtime.ask(f"show map {ENDINGS}"))[0])) == 301


class Nowhere:
    """Takes what is written to it."""

    def write(self, data: bytes) -> None:
        assert data


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
async def test_answers_may_be_cut_anywhere(size: int) -> None:
    """Also within the prompt that ends each of them."""
    said = b"first > line\nsecond\n\n> \n> "
    reader = asyncio.StreamReader()
    asked = asyncio.create_task(Session(reader, Nowhere(), limit=5).ask("one", "two"))
    for start in range(0, len(said), size):
        reader.feed_data(said[start : start + size])
        await asyncio.sleep(0.001)
    assert await asked == ["first > line\nsecond", ""]


@pytest.fixture
async def broken_haproxy(folder: Path) -> AsyncIterator[Path]:
    """A socket that does as its first command says: ``hang``, answer ``twice`` or ``half``, or hang up."""
    path = folder / "broken.sock"

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line = await reader.readline()
        if line == b"prompt\n":
            writer.write(b"\n> ")
            line = await reader.readline()
        if line == b"hang\n":
            await reader.read()
        if line == b"half\n":
            writer.write(b"one\n")
        if line == b"twice\n":
            writer.write(b"one\n\n> two\n\n> ")
        writer.close()

    async with await asyncio.start_unix_server(serve, path):
        yield path


async def test_silence_has_a_limit(broken_haproxy: Path) -> None:
    """The worker's and the master's."""
    async with session(broken_haproxy, limit=0.1) as runtime:
        with pytest.raises(TemporaryError, match=r"did not answer on its runtime socket within 0\.1 s"):
            await runtime.ask("hang")


async def test_hanging_up_is_a_temporary_error(broken_haproxy: Path) -> None:
    """In the middle of an answer."""
    async with session(broken_haproxy, limit=1) as runtime:
        with pytest.raises(TemporaryError, match="hung up"):
            await runtime.ask("bye")


async def test_answers_that_nobody_asked_for_are_noticed(broken_haproxy: Path) -> None:
    """Else each answer from here on would be taken for that of another command."""
    async with session(broken_haproxy, limit=1) as runtime:
        with pytest.raises(TemporaryError, match="more on its runtime socket than"):
            await runtime.ask("twice")


async def test_a_long_answer_is_read_to_its_end(runtime_socket: Path) -> None:
    """The same as by a session, whose answers have the empty line at the end, too."""
    async with session(runtime_socket) as runtime:
        await runtime.execute([Command(f"add map {PREFIXES} /service-{n}/ service-{n}") for n in range(5000)])
        (told,) = await runtime.ask(f"show map {PREFIXES}")
    assert await asyncio.to_thread(read_all, runtime_socket, f"show map {PREFIXES}", limit=5) == told
    assert len(parse_map(told)) == 5000


@pytest.mark.parametrize(("command", "words"), [("hang", "timed out"), ("bye", "hung up"), ("half", "hung up")])
async def test_a_long_answer_that_does_not_come_to_its_end(broken_haproxy: Path, command: str, words: str) -> None:
    with pytest.raises(TemporaryError, match=words):
        await asyncio.to_thread(read_all, broken_haproxy, command, limit=0.1)


async def test_nobody_listens(folder: Path) -> None:
    """Whether the socket is missing or left over."""
    left_over = folder / "left.sock"
    (await asyncio.start_unix_server(lambda *_: None, left_over)).close()
    left_over.touch()
    for path in (folder / "none.sock", left_over):
        with pytest.raises(NoListenerError, match=f"No HAProxy listens on {path}"):
            async with session(path):
                pass
        with pytest.raises(NoListenerError):
            await ask_master(path, "show proc")
        with pytest.raises(TemporaryError):
            read_all(path, "show stat", limit=1)
