"""HAProxy's own exporter, by the proxy's API."""

import asyncio
import re
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import cast

import httpx
import pytest
from binaries import VERSIONS, haproxy_binary
from fastapi import FastAPI
from roles.conftest import MakeProxy, backend, make_proxy
from roles.processes import eventually, plain, put

from controller.haproxy.exporter import Exporter, Part
from controller.http.exporter_api import Turns, add_exporter

__all__ = ["backend", "make_proxy"]
pytestmark = pytest.mark.haproxy


@pytest.mark.parametrize("version", VERSIONS)
def test_every_haproxy_tells_its_own_metrics(version: str, make_proxy: MakeProxy, folder: Path, backend: int) -> None:
    """Of the process and the frontends unless asked for more; what cannot be asked for is refused."""
    put(folder / "stack.yml", {"web": plain(backend, "/web")})
    proxy = make_proxy(haproxy_binary(version), "--stack-file", f"{folder}/stack.yml")
    eventually(proxy.ready, "the proxy is ready")

    told = proxy.get("/metrics/haproxy")
    assert told.headers["content-type"].startswith("text/plain")
    assert "\nhaproxy_process_uptime_seconds " in told.text
    assert '\nhaproxy_frontend_current_sessions{proxy="services"} ' in told.text
    assert "haproxy_backend_" not in told.text

    told = proxy.get("/metrics/haproxy?scope=backend&scope=server&scope=backend")
    assert f'\nhaproxy_backend_response_time_average_seconds{{proxy="web-be{backend}_0"}} ' in told.text
    assert f'\nhaproxy_server_response_time_average_seconds{{proxy="web-be{backend}_0",server="web"}} ' in told.text
    assert "haproxy_process_" not in told.text
    told = proxy.get("/metrics/haproxy?scope=global&metrics=haproxy_process_idle_time_percent,haproxy_process_nbthread")
    named = set(re.findall(r"^(haproxy_\w+)", told.text, re.MULTILINE))
    assert named >= {"haproxy_process_idle_time_percent", "haproxy_process_nbthread"}
    assert (len(named) > 2) == (version == "2.8")
    assert proxy.get("/metrics/haproxy?scope=secrets").status_code == 422


def test_without_haproxy_it_is_said(make_proxy: MakeProxy) -> None:
    """A proxy that waits for its first world has none yet."""
    proxy = make_proxy(haproxy_binary(VERSIONS[-1]), "--listener-address", "127.0.0.1:1")
    eventually(lambda: proxy.get("/healthz").is_success, "the controller answers")
    answer = proxy.get("/metrics/haproxy")
    assert answer.status_code == 503
    assert "HAProxy's exporter does not answer" in answer.json()["detail"]
    assert int(answer.headers["retry-after"]) > 0


class Held:
    """An exporter whose pages end when they are let go of, and that counts how many there are at once."""

    def __init__(self) -> None:
        self.at_once: list[int] = []
        self.open = 0
        self.begun = asyncio.Event()
        self.let_go = asyncio.Event()

    async def page(self, _parts: Sequence[Part], _metrics: str) -> AsyncGenerator[bytes, None]:
        """Give the beginning of a page, and its end later."""
        self.open += 1
        self.at_once.append(self.open)
        try:
            self.begun.set()
            yield b"begun\n"
            await self.let_go.wait()
            yield b"ended\n"
        finally:
            self.open -= 1


def asking(exporter: Held, turns: Turns) -> httpx.AsyncClient:
    """Return a client of an application with this exporter."""
    app = FastAPI()
    add_exporter(app, cast("Exporter", exporter), turns)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://proxy")


async def test_one_is_told_at_a_time_and_the_others_wait() -> None:
    """A page of thousands of backends is megabytes long, and so would be what is held for each who asks."""
    exporter = Held()
    async with asking(exporter, Turns(patience=60)) as client:
        asked = [asyncio.create_task(client.get("/metrics/haproxy")) for _ in range(3)]
        await exporter.begun.wait()
        exporter.let_go.set()
        answers = await asyncio.gather(*asked)

    assert {(answer.status_code, answer.text) for answer in answers} == {(200, "begun\nended\n")}
    assert exporter.at_once == [1, 1, 1]


async def test_who_would_wait_too_long_is_told_to_come_again() -> None:
    """And whoever comes when the other one is done is answered."""
    exporter = Held()
    async with asking(exporter, Turns(patience=0.01)) as client:
        first = asyncio.create_task(client.get("/metrics/haproxy"))
        await exporter.begun.wait()
        refused = await client.get("/metrics/haproxy")
        exporter.let_go.set()
        assert (await first).is_success
        assert (await client.get("/metrics/haproxy")).is_success

    assert refused.status_code == 503
    assert int(refused.headers["retry-after"]) > 0


async def test_nobody_keeps_the_others_waiting_by_reading_slowly() -> None:
    """The answer is cut off, and the next one is told."""
    exporter = Held()
    async with asking(exporter, Turns(patience=60, longest=0.01)) as client:
        with pytest.raises(AssertionError):  # httpx's word for an answer that has no end
            await client.get("/metrics/haproxy")
        exporter.let_go.set()
        assert (await client.get("/metrics/haproxy")).text == "begun\nended\n"
