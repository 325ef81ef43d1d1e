"""What clients see of every change: the right answer, always."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import cycle, islice

import pytest
from haproxy.loopback import Load, Slowness, get, http_server
from haproxy.worlds import PREFIXES, PROFILE, world

from controller.changes import (
    Applied,
    BackendAdded,
    BackendPublished,
    BackendRetired,
    MapChanged,
    Outcome,
    Plan,
    ReloadReason,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import ConfigRejectedError
from controller.haproxy.dataplane import HAProxyDataplane
from render.files import Rendered

RELOAD = Plan(reload_reasons=(ReloadReason.SETTINGS,))


@dataclass
class Site:
    """A running HAProxy with two servers behind it that say ``a`` and ``b``."""

    dataplane: HAProxyDataplane
    port: int
    a: int
    b: int

    def world(self, *servers: int, extra: str = "") -> Rendered:
        """Return files with one backend."""
        backends = {"web": {f"web.{n}": server for n, server in enumerate(servers, start=1)}}
        return world(
            runtime_socket=self.dataplane.runtime_socket,
            port=self.port,
            backends=backends,
            routes={"/web": "web"},
            extra=extra,
        )

    async def get(self, path: str) -> tuple[int, str]:
        """Request a path."""
        return await asyncio.to_thread(get, self.port, path)


@pytest.fixture
def slowness() -> Slowness:
    """How slow their slow answers are."""
    return Slowness()


@pytest.fixture
def servers(slowness: Slowness) -> Iterator[tuple[int, int]]:
    """The ports of both servers."""
    with http_server("a", slowness) as a, http_server("b", slowness) as b:
        yield a, b


@pytest.fixture
async def site(dataplane: HAProxyDataplane, port: int, servers: tuple[int, int]) -> Site:
    """HAProxy runs, with the first server."""
    site = Site(dataplane, port, *servers)
    await dataplane.apply(Plan(start=True), site.world(site.a))
    return site


async def test_service_comes_and_goes_at_run_time(site: Site, version: str) -> None:
    """With HAProxy 3.4 without a reload: added, routed, moved, unrouted, removed."""
    if version != "3.4":
        return
    master = await site.dataplane.process.processes()
    assert await site.get("/api/x") == (503, (await site.get("/api/x"))[1])
    added = (
        BackendAdded("api", PROFILE, "http"),
        ServerAdded("api", "api.1", "127.0.0.1", site.a, "check inter 60s"),
        BackendPublished("api"),
        MapChanged(PREFIXES, {"/api": "api"}),
    )
    assert await site.dataplane.apply(Plan(changes=added), site.world(site.a)) == Applied(Outcome.RUNTIME)
    assert await site.get("/api/x") == (200, "a")
    await site.dataplane.apply(Plan(changes=(ServerMoved("api", "api.1", "127.0.0.1", site.b),)), site.world(site.a))
    assert await site.get("/api/x") == (200, "b")
    removed = Plan(changes=(MapChanged(PREFIXES, {}, ("/api",)),), retirements=(BackendRetired("api"),))
    assert await site.dataplane.apply(removed, site.world(site.a)) == Applied(Outcome.RUNTIME)
    assert (await site.get("/api/x"))[0] == 503
    assert await site.get("/web") == (200, "a")
    assert await site.dataplane.process.processes() == master


async def test_reloads_lose_no_request(site: Site) -> None:
    """Three reloads while requests run."""
    with Load(site.port, "/web") as load:
        for number in (1, 2, 3):
            applied = await site.dataplane.apply(RELOAD, site.world(site.a, extra=f"# {number}"))
            assert applied.outcome is Outcome.RELOAD
            await asyncio.sleep(0.15)
    assert load.lost == []
    assert load.answers[200, "a"] > 100


async def test_moving_the_only_server_loses_no_request(site: Site) -> None:
    """To and fro, between two servers that both live."""
    places = list(islice(cycle([site.b, site.a]), 20))
    with Load(site.port, "/web") as load:
        for place in places:
            move = Plan(changes=(ServerMoved("web", "web.1", "127.0.0.1", place),))
            assert (await site.dataplane.apply(move, site.world(place))).outcome is Outcome.RUNTIME
            await asyncio.sleep(0.01)
    assert load.lost == []
    assert load.answers[200, "a"]
    assert load.answers[200, "b"]


async def test_scaling_up_and_down_loses_no_request(site: Site) -> None:
    """A second server comes and goes; HAProxy 2.8 keeps it a while for the idle connections to it."""
    with Load(site.port, "/web") as load:
        for number in range(2, 10):
            up = Plan(changes=(ServerAdded("web", f"web.{number}", "127.0.0.1", site.b),))
            assert await site.dataplane.apply(up, site.world(site.a, site.b)) == Applied(Outcome.RUNTIME)
            await asyncio.sleep(0.03)
            down = Plan(retirements=(ServerRetired("web", f"web.{number}"),))
            assert (await site.dataplane.apply(down, site.world(site.a))).outcome is Outcome.RUNTIME
    assert load.lost == []
    assert load.answers[200, "b"]


async def test_request_holds_up_a_retirement(site: Site, slowness: Slowness) -> None:
    """The server takes no new request, the one it has ends well, and then it goes."""
    up = ServerAdded("web", "web.2", "127.0.0.1", site.b)
    await site.dataplane.apply(Plan(changes=(up,)), site.world(site.a))
    slow = [asyncio.create_task(site.get("/web/slow")) for _ in range(2)]
    await slowness.until_asked(2)
    plan = Plan(retirements=(ServerRetired("web", "web.2"),))
    applied = await site.dataplane.apply(plan, site.world(site.a))
    assert applied == Applied(Outcome.RUNTIME, pending=plan.retirements)
    assert not (await site.dataplane.observe()).backends["web"]["web.2"].ready
    assert {await site.get("/web") for _ in range(6)} == {(200, "a")}
    slowness.let_go()
    assert sorted(await asyncio.gather(*slow)) == [(200, "a"), (200, "b")]
    assert await site.dataplane.apply(plan, site.world(site.a)) == Applied(Outcome.RUNTIME)
    assert set((await site.dataplane.observe()).backends["web"]) == {"web.1"}


async def test_pending_backend_can_be_retired_later(site: Site, version: str, slowness: Slowness) -> None:
    """A backend waits for its last stream, too."""
    if version != "3.4":
        return
    slow = asyncio.create_task(site.get("/web/slow"))
    await slowness.until_asked()
    retire = (ServerRetired("web", "web.1"), BackendRetired("web"))
    plan = Plan(changes=(MapChanged(PREFIXES, {}, ("/web",)),), retirements=retire)
    files = world(runtime_socket=site.dataplane.runtime_socket, port=site.port)
    assert (await site.dataplane.apply(plan, files)).pending == retire
    assert (await site.get("/web"))[0] == 503
    slowness.let_go()
    assert await slow == (200, "a")
    assert await site.dataplane.apply(plan, files) == Applied(Outcome.RUNTIME)


async def test_rejected_configuration_leaves_traffic_alone(site: Site) -> None:
    """Also where only loading it shows that it cannot work, as with an address that is not ours."""
    before = site.dataplane.process.runtime_socket.stat()
    with pytest.raises(ConfigRejectedError, match="unknown keyword"):
        await site.dataplane.apply(RELOAD, site.world(site.b, extra="nonsense"))
    foreign = "frontend foreign from base\n    bind 192.0.2.1:80"
    with pytest.raises(ConfigRejectedError, match="cannot bind"):
        await site.dataplane.apply(RELOAD, site.world(site.b, extra=foreign))
    assert await site.get("/web") == (200, "a")
    assert await site.dataplane.process.alive()
    assert before.st_mode == site.dataplane.process.runtime_socket.stat().st_mode
    assert (await site.dataplane.apply(RELOAD, site.world(site.b))).outcome is Outcome.RELOAD
    assert await site.get("/web") == (200, "b")
