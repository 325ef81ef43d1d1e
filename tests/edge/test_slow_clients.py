"""Clients that take their time, or all connections there are, cost the others nothing, and end."""

import asyncio
import contextlib
import socket
from dataclasses import dataclass, replace
from pathlib import Path

from builders import MACHINE
from edge.wire import IMPATIENT, Recorder, sent, statuses
from label_effects.edge import Edge, Origin, behind, edge, running
from traffic import LIMIT

MANY = 12
HEAD = b"GET /web HTTP/1.1\r\nHost: web.test\r\n"
BODY = b"POST /web HTTP/1.1\r\nHost: web.test\r\nContent-Length: 1000\r\n\r\n"
HTTP2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0"


SLOW = {
    "nothing": ([], 408),
    "headers byte by byte": ([bytes([each]) for each in HEAD + b"X-A: b\r\n" * 20], 408),
    "headers without an end": ([HEAD], 408),
    "a body without an end": ([BODY, b"x"], 408),
    "HTTP/2 without a request": ([HTTP2], None),
}
"""What clients send, a piece at a time, with the status that they are told before HAProxy hangs up, if any."""


async def test_slow_clients_are_cut_off(binary: Path, folder: Path) -> None:
    """There are many of them; no service gets a request of theirs, and others are served all the while.

    Who is still sending when HAProxy hangs up may not hear why.
    """
    origin = Recorder()
    async with running(origin), edge(binary, folder, behind(origin), settings=IMPATIENT) as proxy:
        async with asyncio.timeout(LIMIT):
            kinds = {
                name: (sent(proxy.port, pieces, pause=0.05) for _ in range(MANY)) for name, (pieces, _) in SLOW.items()
            }
            clients = asyncio.gather(*(asyncio.gather(*each) for each in kinds.values()))
            while not clients.done():
                assert (await proxy.ask("/web/other")).status == 200
        told = {
            name: {status for answer in answers for status in statuses(answer)}
            for name, answers in zip(SLOW, await clients, strict=True)
        }
    assert {name: statuses - {SLOW[name][1]} for name, statuses in told.items()} == {name: set() for name in SLOW}
    assert {received.line for received in origin.received} == {"GET /web/other HTTP/1.1"}


@dataclass
class Endless(Origin):
    """A server whose answer has no end, and that knows when it was cut off."""

    cut_off: int = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Send until nobody listens any more."""
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        with contextlib.suppress(ConnectionError):
            while True:
                writer.write(b"x" * 65_536)
                await writer.drain()
        self.cut_off += 1


async def test_clients_that_do_not_read_are_cut_off(binary: Path, folder: Path, origin: Origin) -> None:
    """So are the services that answer them, and others are served all the while."""
    endless = Endless()
    async with running(endless), contextlib.AsyncExitStack() as clients, asyncio.timeout(LIMIT):
        services = (behind(endless), behind(origin, name="other"))
        async with edge(binary, folder, *services, settings=IMPATIENT) as proxy:
            for _ in range(MANY):
                opened = clients.enter_context(socket.create_connection(("127.0.0.1", proxy.port)))
                opened.sendall(HEAD + b"\r\n")
            while endless.cut_off < MANY:
                assert (await proxy.ask("/other")).status == 200


async def test_the_controller_gets_through_when_clients_hold_all_connections(
    binary: Path, folder: Path, origin: Origin
) -> None:  # fmt: skip
    """There are never more than MAXCONN, of which clients get all but some; those that wait are served in the end."""
    machine = replace(MACHINE, maxconn=20)
    async with edge(binary, folder, behind(origin), machine=machine) as proxy, asyncio.timeout(LIMIT):
        async with contextlib.AsyncExitStack() as stack:
            for _ in range(40):
                stack.enter_context(socket.create_connection(("127.0.0.1", proxy.port))).sendall(HEAD)
            await until_held(proxy, machine.frontend_maxconn)
            request = b"GET /metrics HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            metrics = await sent(folder / "internal.sock", [request])
            assert b"haproxy_process_max_connections 20\n" in metrics.replace(b"\r\n", b"\n")
            assert connections(proxy) <= machine.maxconn
        assert (await proxy.ask("/web")).status == 200


async def until_held(proxy: Edge, number: int) -> None:
    """Wait until HAProxy has so many connections."""
    while True:
        if connections(proxy) >= number:
            return
        await asyncio.sleep(0.01)


def connections(proxy: Edge) -> int:
    """Return how many connections HAProxy has."""
    lines = dict(line.split(": ", 1) for line in proxy.runtime("show info").splitlines() if ": " in line)
    return int(lines["CurrConns"])
