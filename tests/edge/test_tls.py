"""What is no TLS, or none that anybody should speak, gets nothing and harms nobody."""

import asyncio
import ssl
from pathlib import Path

import pytest
from edge.wire import IMPATIENT, Recorder, sent
from label_effects.edge import behind, edge, running
from tls.clients import context, old_context
from traffic import LIMIT


def hello(name: str | None = "web.test", *, client: ssl.SSLContext | None = None) -> bytes:
    """Return what a client says first."""
    outgoing = ssl.MemoryBIO()
    talk = (client or context()).wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        talk.do_handshake()
    return outgoing.read()


def with_name(name: bytes) -> bytes:
    """Return a greeting for a name of ten letters with another one of that length in its place."""
    assert len(name) == 10
    return hello("a" * 10).replace(b"a" * 10, name)


BROKEN = {
    "nothing": [],
    "noise": [bytes(range(256)) * 8],
    "a request": [b"GET /web HTTP/1.1\r\nHost: web.test\r\n\r\n"],
    "HTTP/2": [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
    "half a greeting": [hello()[:100]],
    "a greeting that is cut short": [hello()[:-1]],
    "a greeting with a wrong length": [hello()[:3] + b"\xff\xff" + hello()[5:]],
    "a greeting with a wrong version": [b"\x16\x02\x00" + hello()[3:]],
    "a greeting byte by byte": [bytes([each]) for each in hello()],
    "an alert": [b"\x15\x03\x03\x00\x02\x02\x28"],
    "data before a greeting": [b"\x17\x03\x03\x00\x05hello"],
    "greetings without an end": [hello()[:50] * 100],
    "SSLv2": [b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)],
    "TLS 1.1": [hello(client=old_context())],
}
"""What clients say that never get to a request."""


async def test_broken_clients_get_nothing(binary: Path, folder: Path) -> None:
    """No service hears of them, the connections end, and who speaks TLS is served."""
    origin = Recorder()
    async with (
        running(origin),
        edge(binary, folder, behind(origin), settings=IMPATIENT) as proxy,
        asyncio.timeout(LIMIT),
    ):
        where = folder / "tls.sock"
        answers = await asyncio.gather(*(sent(where, pieces, pause=0.01) for pieces in BROKEN.values()))
        assert {name: answer for name, answer in zip(BROKEN, answers, strict=True) if b"HTTP/" in answer} == {}
        assert origin.received == origin.wrong == []
        assert (await proxy.ask("/web", tls=True)).status == 200


@pytest.mark.parametrize(
    ("name", "alpn"),
    [
        pytest.param(None, ("http/1.1",), id="no name"),
        pytest.param("unknown.test", ("http/1.1",), id="an unknown name"),
        pytest.param("a" * 63 + ("." + "b" * 61) * 3, ("http/1.1",), id="a long name"),
        pytest.param("web.test", ("http/9", "other"), id="unknown protocols"),
        pytest.param("web.test", (), id="no protocol"),
    ],
)
async def test_unusual_clients_are_served(
    binary: Path, folder: Path, name: str | None, alpn: tuple[str, ...]
) -> None:  # fmt: skip
    """What a request says decides which service answers, not what was said in TLS."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, behind(origin), settings=IMPATIENT):
        reader, writer = await asyncio.open_unix_connection(
            folder / "tls.sock", ssl=context(alpn=alpn), server_hostname=name or ""
        )
        writer.write(b"GET /web HTTP/1.1\r\nHost: web.test\r\nConnection: close\r\n\r\n")
        assert (await reader.read()).startswith(b"HTTP/1.1 200")
        writer.close()


async def test_nobody_may_renegotiate(binary: Path, folder: Path) -> None:
    """It costs a server much and a client nothing."""
    origin = Recorder()
    async with running(origin), edge(binary, folder, behind(origin), settings=IMPATIENT) as proxy:
        client = await asyncio.create_subprocess_exec(
            "openssl", "s_client", "-tls1_2", "-unix", folder / "tls.sock",
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
        )  # fmt: skip
        output, _ = await client.communicate(b"R\n")
        assert b"RENEGOTIATING" in output
        assert b"no renegotiation" in output
        assert (await proxy.ask("/web", tls=True)).status == 200
