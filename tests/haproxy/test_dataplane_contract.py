"""What a controller may rely on, of the fake as of every real HAProxy."""

from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict, Unpack

import pytest
from binaries import VERSIONS, haproxy_binary
from fakes.fake_dataplane import UNKNOWN_KEYWORD, FakeDataplane, FakeHAProxy
from haproxy.conftest import MakeDataplane
from haproxy.worlds import ENDINGS, PREFIXES, PROFILE, Servers, world

from controller.changes import (
    EMPTY_PLAN,
    Applied,
    BackendAdded,
    BackendPublished,
    BackendRetired,
    Change,
    MapChanged,
    MapReplaced,
    Outcome,
    Plan,
    ReloadReason,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import ConfigRejectedError
from controller.haproxy.commands import LINE_LIMIT
from controller.haproxy.validate import rejected_lines
from controller.ports import Dataplane
from models.observed import NOT_RUNNING, Capability, ObservedServer
from render.files import Rendered

_OF_VERSION = {
    "2.8": frozenset({Capability.DYNAMIC_SERVERS}),
    "3.0": frozenset({Capability.DYNAMIC_SERVERS, Capability.WAIT}),
    "3.4": frozenset(Capability),
}
WEB = ObservedServer("127.0.0.1", 8001)
OTHER = ObservedServer("127.0.0.1", 8002)


class Parts(TypedDict, total=False):
    """What the files say."""

    backends: Mapping[str, Servers]
    routes: Mapping[str, str]
    endings: Mapping[str, str]
    extra: str


FIRST: Parts = {"backends": {"web": {"web.1": 8001}}, "routes": {"/web": "web"}}


@dataclass
class Bench:
    """One dataplane under test, and how to get the next controller of the same HAProxy."""

    dataplane: Dataplane
    adopt: Callable[[], Dataplane]
    capabilities: frozenset[Capability]
    runtime_socket: Path
    port: int

    def world(self, **parts: Unpack[Parts]) -> Rendered:
        """Return files for this HAProxy."""
        return world(runtime_socket=self.runtime_socket, port=self.port, **(FIRST | parts))

    async def start(self, **parts: Unpack[Parts]) -> Applied:
        """Start HAProxy with these files."""
        return await self.dataplane.apply(Plan(start=True), self.world(**parts))

    async def change(self, *changes: Change, retire: tuple[Change, ...] = (), **parts: Unpack[Parts]) -> Applied:
        """Apply runtime changes; ``parts`` is the world they lead to."""
        return await self.dataplane.apply(Plan(changes=changes, retirements=retire), self.world(**parts))

    @property
    def dynamic_backends(self) -> bool:
        """Whether backends can be added and removed."""
        return Capability.DYNAMIC_BACKENDS in self.capabilities


@pytest.fixture(
    params=[f"fake-{version}" for version in VERSIONS]
    + [pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS]
)
async def bench(
    request: pytest.FixtureRequest, folder: Path, port: int, make_dataplane: MakeDataplane
) -> AsyncIterator[Bench]:
    """The fake with the capabilities of each version, and each version itself."""
    fake, _, version = str(request.param).rpartition("-")
    if fake:
        haproxy = FakeHAProxy(capabilities=_OF_VERSION[version])
        yield Bench(FakeDataplane(haproxy), lambda: FakeDataplane(haproxy), haproxy.capabilities, folder / "r", port)
        return
    binary = haproxy_binary(version)
    real = make_dataplane(binary)
    yield Bench(real, lambda: make_dataplane(binary), _OF_VERSION[version], real.runtime_socket, port)


async def test_nothing_runs_at_first(bench: Bench) -> None:
    """No HAProxy is no error."""
    assert await bench.dataplane.observe() == NOT_RUNNING


async def test_start_brings_up_what_the_files_say(bench: Bench) -> None:
    """After a start HAProxy has the backends, servers and map entries of the files."""
    assert await bench.start() == Applied(Outcome.START)
    observed = await bench.dataplane.observe()
    assert observed.running
    assert observed.version
    assert observed.capabilities == bench.capabilities
    assert observed.maps == {PREFIXES: {"/web": "web"}, ENDINGS: {}}
    assert observed.backends == {"web": {"web.1": WEB}}


async def test_observing_twice_gives_the_same(bench: Bench) -> None:
    """Observing changes nothing."""
    await bench.start()
    assert await bench.dataplane.observe() == await bench.dataplane.observe()


async def test_empty_plan_does_nothing(bench: Bench) -> None:
    """Not even what differs in the files."""
    await bench.start()
    observed = await bench.dataplane.observe()
    assert await bench.dataplane.apply(EMPTY_PLAN, bench.world(routes={"/other": "web"})) == Applied(Outcome.NOOP)
    assert await bench.dataplane.observe() == observed


async def test_map_entries_are_added_updated_and_removed(bench: Bench) -> None:
    """Entries that are not mentioned stay; a removed key that is not there is no error."""
    await bench.start(routes={"/web": "web", "/b": "1", "/c": "1"})
    change = MapChanged(PREFIXES, {"/a": "2", "/b": "2"}, removed=("/c", "/never-there"))
    assert (await bench.change(change)).outcome is Outcome.RUNTIME
    assert (await bench.dataplane.observe()).maps[PREFIXES] == {"/web": "web", "/a": "2", "/b": "2"}


async def test_many_map_entries(bench: Bench) -> None:
    """More than fit into one buffer of HAProxy."""
    await bench.start(routes={f"/old-{n}/": "web" for n in range(500)})
    entries = {f"/service-{n}/": f"service-{n}-be8080_0" for n in range(1500)}
    removed = tuple(f"/old-{n}/" for n in range(500))
    await bench.change(MapChanged(PREFIXES, entries), MapChanged(PREFIXES, {}, removed))
    assert (await bench.dataplane.observe()).maps[PREFIXES] == entries


async def test_ordered_map_is_replaced_as_a_whole(bench: Bench) -> None:
    """The new entries are in their order, the former ones gone."""
    await bench.start(endings={".b": "1", ".c": "1"})
    entries = {f".{n}.example": "x" * 20 for n in range(900, 0, -1)} | {".c": "2", ".a": "3"}
    await bench.change(MapReplaced(ENDINGS, entries))
    observed = await bench.dataplane.observe()
    assert list(observed.maps[ENDINGS].items()) == list(entries.items())
    await bench.change(MapReplaced(ENDINGS, {}))
    assert (await bench.dataplane.observe()).maps[ENDINGS] == {}


async def test_server_is_added_moved_and_retired(bench: Bench) -> None:
    """One life of a server, beside another one."""
    await bench.start()
    await bench.change(ServerAdded("web", "web.2", "127.0.0.1", 8001))
    assert (await bench.dataplane.observe()).backends == {"web": {"web.1": WEB, "web.2": WEB}}
    await bench.change(ServerMoved("web", "web.2", "127.0.0.1", 8002))
    assert (await bench.dataplane.observe()).backends == {"web": {"web.1": WEB, "web.2": OTHER}}
    await bench.change(retire=(ServerRetired("web", "web.1"), ServerRetired("web", "web.7"), ServerRetired("no", "x")))
    assert (await bench.dataplane.observe()).backends == {"web": {"web.2": OTHER}}


async def test_server_that_has_not_moved_stays(bench: Bench) -> None:
    """Moving to where it is already is no error."""
    await bench.start()
    applied = await bench.change(ServerMoved("web", "web.1", "127.0.0.1", 8001))
    assert applied == Applied(Outcome.RUNTIME)
    assert (await bench.dataplane.observe()).backends["web"] == {"web.1": WEB}


async def test_backend_is_added_and_retired(bench: Bench) -> None:
    """Where HAProxy cannot do it at run time, the files are loaded instead."""
    await bench.start()
    wanted: Parts = {
        "backends": {"web": {"web.1": 8001}, "api": {"api.1": 8002}},
        "routes": {"/web": "web", "/api": "api"},
    }
    applied = await bench.change(
        BackendAdded("api", PROFILE, "http"),
        ServerAdded("api", "api.1", "127.0.0.1", 8002, "weight 10"),
        BackendPublished("api"),
        MapChanged(PREFIXES, {"/api": "api"}),
        **wanted,
    )
    reload_ = Applied(Outcome.RELOAD, reload_reasons=(ReloadReason.RUNTIME_REFUSED,))
    assert applied == (Applied(Outcome.RUNTIME) if bench.dynamic_backends else reload_)
    observed = await bench.dataplane.observe()
    assert observed.backends == {"web": {"web.1": WEB}, "api": {"api.1": OTHER}}
    assert observed.maps[PREFIXES] == {"/web": "web", "/api": "api"}

    applied = await bench.change(MapChanged(PREFIXES, {}, ("/api",)), retire=(BackendRetired("api"),))
    assert applied == (Applied(Outcome.RUNTIME) if bench.dynamic_backends else reload_)
    assert (await bench.dataplane.observe()).backends == {"web": {"web.1": WEB}}


async def test_loaded_backend_is_retired_with_its_servers(bench: Bench) -> None:
    """A backend from the files goes as one that was added at run time; retiring it again is no error."""
    await bench.start(backends={"web": {"web.1": 8001}, "api": {"api.1": 8002, "api.2": 8002}})
    retire = (ServerRetired("api", "api.1"), ServerRetired("api", "api.2"), BackendRetired("api"))
    expected = Outcome.RUNTIME if bench.dynamic_backends else Outcome.RELOAD
    for _ in range(2):
        assert (await bench.change(retire=retire)).outcome is expected
        assert (await bench.dataplane.observe()).backends == {"web": {"web.1": WEB}}


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(ServerAdded("web", "web.1", "127.0.0.1", 8002), id="server is there already"),
        pytest.param(ServerAdded("nowhere", "x.1", "127.0.0.1", 8002), id="no such backend"),
        pytest.param(ServerMoved("web", "web.9", "127.0.0.1", 8002), id="no such server"),
        pytest.param(MapChanged("maps/other.map", {"/a": "b"}), id="no such map"),
        pytest.param(MapReplaced("maps/other.map", {"/a": "b"}), id="no such map to replace"),
        pytest.param(MapChanged(PREFIXES, {f"/{'a' * LINE_LIMIT}": "b"}), id="too long to be said"),
    ],
)
async def test_refused_change_ends_in_a_reload(bench: Bench, change: Change) -> None:
    """What is applied are then the files, the changes before and after the refused one included."""
    await bench.start()
    applied = await bench.change(change, MapChanged(PREFIXES, {"/lost": "web"}), routes={"/from-file": "web"})
    assert applied == Applied(Outcome.RELOAD, reload_reasons=(ReloadReason.RUNTIME_REFUSED,))
    assert applied.refusal
    observed = await bench.dataplane.observe()
    assert observed.maps[PREFIXES] == {"/from-file": "web"}
    assert observed.backends == {"web": {"web.1": WEB}}


async def test_paths_may_hold_what_would_end_a_command(bench: Bench) -> None:
    """They are said as they are, and taken back."""
    await bench.start()
    odd = {"/a;v=1": "web", "/b\\c;d": "web"}
    for value in ("web", "other"):
        change = MapChanged(PREFIXES, dict.fromkeys(odd, value))
        assert await bench.change(change, routes=dict.fromkeys(odd, value)) == Applied(Outcome.RUNTIME)
        assert (await bench.dataplane.observe()).maps[PREFIXES] == {"/web": "web", **dict.fromkeys(odd, value)}
    assert await bench.change(MapChanged(PREFIXES, {}, (*odd,))) == Applied(Outcome.RUNTIME)
    assert (await bench.dataplane.observe()).maps[PREFIXES] == {"/web": "web"}


async def test_reload_makes_the_files_the_running_state(bench: Bench) -> None:
    """What was changed at run time and is in the files stays; what is not in the files goes."""
    await bench.start()
    await bench.change(MapChanged(PREFIXES, {"/a": "web", "/b": "web"}), routes={"/a": "web", "/b": "web"})
    plan = Plan(reload_reasons=(ReloadReason.SETTINGS, ReloadReason.PROFILE))
    applied = await bench.dataplane.apply(plan, bench.world(routes={"/a": "web"}, backends={"new": {"n": 8002}}))
    assert applied == Applied(Outcome.RELOAD, reload_reasons=plan.reload_reasons)
    observed = await bench.dataplane.observe()
    assert observed.maps[PREFIXES] == {"/a": "web"}
    assert observed.backends == {"new": {"n": OTHER}}


async def test_rejected_configuration_is_not_started(bench: Bench) -> None:
    """And the next good one is."""
    with pytest.raises(ConfigRejectedError):
        await bench.start(extra=UNKNOWN_KEYWORD)
    assert await bench.dataplane.observe() == NOT_RUNNING
    assert (await bench.start()).outcome is Outcome.START


async def test_rejected_configuration_changes_nothing(bench: Bench) -> None:
    """The error has HAProxy's words by line, and the next good configuration is loaded."""
    await bench.start()
    observed = await bench.dataplane.observe()
    wrong = bench.world(routes={"/new": "web"}, extra=f"    {UNKNOWN_KEYWORD} x")
    with pytest.raises(ConfigRejectedError) as caught:
        await bench.dataplane.apply(Plan(reload_reasons=(ReloadReason.SETTINGS,)), wrong)
    line = wrong.config.split("\n").index(f"    {UNKNOWN_KEYWORD} x") + 1
    assert set(rejected_lines(caught.value.output)) == {line}
    assert UNKNOWN_KEYWORD in rejected_lines(caught.value.output)[line]
    assert await bench.dataplane.observe() == observed
    right = bench.world(routes={"/new": "web"})
    assert (await bench.dataplane.apply(Plan(reload_reasons=(ReloadReason.SETTINGS,)), right)).outcome is Outcome.RELOAD
    assert (await bench.dataplane.observe()).maps[PREFIXES] == {"/new": "web"}


async def test_checking_changes_nothing(bench: Bench) -> None:
    """Neither what runs nor the files, whether they are good or not."""
    await bench.start()
    observed = await bench.dataplane.observe()
    await bench.dataplane.check(bench.world(routes={"/new": "web"}))
    with pytest.raises(ConfigRejectedError):
        await bench.dataplane.check(bench.world(extra=f"    {UNKNOWN_KEYWORD} x"))
    assert await bench.dataplane.observe() == observed
    assert (await bench.change(MapChanged(PREFIXES, {"/two": "web"}))).outcome is Outcome.RUNTIME


async def test_next_controller_adopts_what_runs(bench: Bench) -> None:
    """A controller that was killed leaves nothing that its successor would miss."""
    await bench.start()
    await bench.change(ServerAdded("web", "web.2", "127.0.0.1", 8002), MapChanged(PREFIXES, {"/two": "web"}))
    observed = await bench.dataplane.observe()
    bench.dataplane = bench.adopt()
    assert await bench.dataplane.observe() == observed
    assert (await bench.change(retire=(ServerRetired("web", "web.2"),))).outcome is Outcome.RUNTIME
    assert (await bench.dataplane.observe()).backends == {"web": {"web.1": WEB}}
