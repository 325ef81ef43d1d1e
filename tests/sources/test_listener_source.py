"""`ListenerSource`: one listener, several, none; what it sends, what it believes, and how it fails."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sources.fake_listener import FakeListener, listening, world
from sources.watched import watching

from controller.errors import SourceUnavailableError
from controller.listener_address import listener_url
from controller.sources import listener as listener_module
from controller.sources.listener import ListenerSource, merge
from models.snapshot import Snapshot, StoredCertificate

Sources = Callable[..., ListenerSource]


@pytest.fixture
async def listener() -> AsyncIterator[FakeListener]:
    async with listening("web") as listener:
        yield listener


@pytest.fixture
async def make() -> AsyncIterator[Sources]:
    """Makes sources that are closed in the end."""
    async with AsyncExitStack() as stack:

        def make(*addresses: str, **options: object) -> ListenerSource:
            source = ListenerSource(addresses, **options)  # type: ignore[arg-type]
            stack.push_async_callback(source.close)
            return source

        yield make


def names(snapshot: Snapshot) -> list[str]:
    return [service.name for service in snapshot.services]


async def eventually(is_so: Callable[[], bool], *, within: float = 5.0) -> None:
    async with asyncio.timeout(within):
        while not is_so():  # noqa: ASYNC110 - it is what is watched that tells
            await asyncio.sleep(0.005)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("listener", "http://listener:8080"),
        (" listener ", "http://listener:8080"),
        ("listener:81", "http://listener:81"),
        ("https://listener", "https://listener:8443"),
        ("http://10.0.0.1:9000/", "http://10.0.0.1:9000"),
        ("[fd00::1]", "http://[fd00::1]:8080"),
    ],
)
def test_addresses(address: str, expected: str) -> None:
    assert listener_url(address) == expected


@pytest.mark.parametrize("address", ["", "http://", "ftp://listener", "listener/v1", "http://listener?x=1", "a:b"])
def test_what_is_no_address_is_refused_at_once(address: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        ListenerSource((address,))


async def test_the_first_call_fetches_and_an_unchanged_world_is_the_same_object(
    listener: FakeListener, make: Sources
) -> None:
    source = make(listener.address)
    first = await source.snapshot()
    assert first == listener.snapshot
    assert await source.snapshot() is first
    assert listener.headers[1]["if-none-match"] == f'"{first.digest}"'
    assert "gzip" in listener.headers[0]["accept-encoding"]


async def test_the_token_is_sent_only_if_there_is_one(listener: FakeListener, make: Sources) -> None:
    listener.token = "secret"
    assert names(await make(listener.address, token="secret").snapshot()) == ["web"]
    with pytest.raises(SourceUnavailableError, match=r"status 403: .*token.*SERVICE_NAME"):
        await make(listener.address).snapshot()
    assert "authorization" not in listener.headers[-1]


async def test_a_listener_that_cannot_be_reached_is_named(listener: FakeListener, make: Sources) -> None:
    await listener.stop()
    source = make(listener.address)
    with pytest.raises(SourceUnavailableError, match=rf"{listener.address} cannot be reached .* share a network"):
        await source.snapshot()
    assert source.error
    await listener.start()
    assert names(await source.snapshot()) == ["web"]
    assert source.error is None


async def test_a_listener_that_hangs_is_given_up(listener: FakeListener, make: Sources) -> None:
    listener.answer = "hang"
    with pytest.raises(SourceUnavailableError, match="does not answer in time"):
        await make(listener.address, timeout=0.2).snapshot()


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        ((200, b"<html>"), "no snapshot"),
        ((200, b'{"services": [{"id": "1"}]}'), r"missing at services\.0\.name"),
        ((200, b'{"services": [{"id": "1", "name": "web", "labels": {"com.df.users": 1234567}}]}'), "no snapshot"),
        ((200, b"[]"), "no snapshot"),
        ((200, b""), "no snapshot"),
        ((304, b""), "no snapshot"),
        ((404, b""), "is it a Swarmgate listener"),
        ((500, b""), "status 500"),
        ((302, b""), "status 302"),
    ],
)
async def test_an_unusable_answer_changes_nothing(
    listener: FakeListener, make: Sources, answer: tuple[int, bytes], words: str
) -> None:
    source = make(listener.address)
    if answer[0] != 304:
        before = await source.snapshot()
    listener.answer = answer
    with pytest.raises(SourceUnavailableError, match=words) as caught:
        await source.snapshot()
    assert "1234567" not in str(caught.value)
    listener.answer = None
    if answer[0] != 304:
        assert await source.snapshot() is before


async def test_an_answer_without_end_is_cut_off(
    listener: FakeListener, make: Sources, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener_module, "MOST_BYTES", 1 << 20)
    listener.answer = (200, b" " * (2 << 20))
    with pytest.raises(SourceUnavailableError, match="larger than 1 MiB"):
        await make(listener.address).snapshot()


async def test_fields_of_a_newer_listener_are_ignored(listener: FakeListener, make: Sources) -> None:
    listener.answer = (200, b'{"services": [{"id": "1", "name": "web", "colour": "red"}], "weather": "fine"}')
    assert names(await make(listener.address).snapshot()) == ["web"]


async def test_a_change_arrives_at_once_by_long_poll(listener: FakeListener, make: Sources) -> None:
    source = make(listener.address)
    async with watching(source) as watched:
        await watched.until("listener")
        await eventually(lambda: "wait" in listener.polls[-1])
        listener.publish(world("web", "api"))
        await watched.until("listener", within=3)
        assert names(await source.snapshot()) == ["api", "web"]
        await asyncio.sleep(0.2)
        assert watched.reasons == []


async def test_a_listener_that_does_not_hold_polls_is_not_asked_in_a_tight_loop(
    listener: FakeListener, make: Sources
) -> None:
    listener.holds = False
    async with watching(make(listener.address)) as watched:
        await watched.until("listener")
        await asyncio.sleep(0.5)
    assert len(listener.polls) <= 3


async def test_a_listener_without_etags_is_no_reason_to_look_again_for_ever(
    listener: FakeListener, make: Sources
) -> None:
    listener.etag = ""
    async with watching(make(listener.address)) as watched:
        await watched.until("listener")
        await asyncio.sleep(0.5)
        assert watched.reasons == []
    assert len(listener.polls) <= 3


async def test_an_outage_is_told_once_and_so_is_its_end(listener: FakeListener, make: Sources) -> None:
    source = make(listener.address)
    async with watching(source) as watched:
        await watched.until("listener")
        await listener.stop()
        await watched.until("listener unreachable")
        with pytest.raises(SourceUnavailableError):
            await source.snapshot()
        await asyncio.sleep(0.5)
        assert watched.reasons == []
        await listener.start()
        await watched.until("listener")
        assert names(await source.snapshot()) == ["web"]


async def test_a_listener_known_to_be_away_holds_up_no_reading(listener: FakeListener, make: Sources) -> None:
    source = make(listener.address, timeout=1, wait=0.1)
    async with watching(source) as watched:
        await watched.until("listener")
        listener.answer = "hang"
        await watched.until("listener unreachable")
        began = time.monotonic()
        with pytest.raises(SourceUnavailableError):
            await source.snapshot()
        assert time.monotonic() - began < 0.7


async def test_what_is_programmed_is_reported_at_once(listener: FakeListener, make: Sources) -> None:
    source = make(listener.address, replica="proxy.1")
    async with watching(source) as watched:
        await watched.until("listener")
        snapshot = await source.snapshot()
        # Whether it was asked for the snapshot before or after it was first polled.
        await eventually(lambda: any("wait" in poll for poll in listener.polls))
        source.programmed = snapshot.digest
        source.conditions = "c0ffee"
        await eventually(lambda: listener.polls[-1].get("conditions") == "c0ffee", within=3)
        assert listener.polls[-1] == {
            "wait": "25",
            "replica": "proxy.1",
            "programmed": f'"{snapshot.digest}"',
            "conditions": "c0ffee",
        }
        count = len(listener.polls)
        source.programmed = snapshot.digest
        await asyncio.sleep(0.2)
        assert len(listener.polls) == count


async def test_a_world_that_was_not_heard_from_a_listener_is_not_reported(
    listener: FakeListener, make: Sources
) -> None:
    source = make(listener.address)
    source.programmed = "from an earlier life"
    await source.snapshot()
    assert "programmed" not in listener.polls[-1]


async def test_several_listeners_are_a_union_and_each_is_told_its_own_etag(make: Sources) -> None:
    async with listening("web") as one, listening("api") as two:
        source = make(one.address, two.address)
        union = await source.snapshot()
        assert names(union) == ["api", "web"]
        source.programmed = union.digest
        assert await source.snapshot() is union
        assert one.polls[-1]["programmed"] == f'"{one.snapshot.digest}"'
        assert two.polls[-1]["programmed"] == f'"{two.snapshot.digest}"'


async def test_a_world_under_a_new_etag_is_still_programmed(make: Sources) -> None:
    async with listening("web") as listener:
        source = make(listener.address)
        source.programmed = (await source.snapshot()).digest
        listener.etag = '"another"'
        await source.snapshot()
        await source.snapshot()
        assert listener.polls[-1]["programmed"] == '"another"'


async def test_what_a_listener_last_said_stays_in_force_while_it_is_away(make: Sources) -> None:
    now = 100.0
    async with listening("web") as one, listening("api") as two:
        source = make(one.address, two.address, clock=lambda: now)
        await source.snapshot()
        await two.stop()
        now = 200.0
        one.publish(world("web", "shop"))
        assert names(await source.snapshot()) == ["api", "shop", "web"]
        assert source.error
        assert two.address in source.error
        assert source.last_success == 100.0


async def test_what_a_listener_last_said_survives_a_restart(make: Sources, tmp_path: Path) -> None:
    async with listening("web") as one, listening("api") as two:
        source = make(one.address, two.address, state_dir=tmp_path)
        await source.snapshot()
        await source.close()
        await two.stop()
        assert names(await make(one.address, two.address, state_dir=tmp_path).snapshot()) == ["api", "web"]


async def test_an_address_that_never_answered_holds_up_the_others_only_once(make: Sources) -> None:
    async with listening("web") as one, listening() as two:
        two.answer = "hang"
        source = make(one.address, two.address, timeout=1)
        async with watching(source):
            began = time.monotonic()
            assert names(await source.snapshot()) == ["web"]
            assert time.monotonic() - began < 1.9
            began = time.monotonic()
            assert names(await source.snapshot()) == ["web"]
            assert time.monotonic() - began < 0.7


async def test_if_no_listener_ever_answered_all_are_named(make: Sources) -> None:
    async with listening() as one, listening() as two:
        await one.stop()
        await two.stop()
        with pytest.raises(SourceUnavailableError, match=rf"{one.address}.*{two.address}"):
            await make(one.address, two.address).snapshot()


def test_of_equal_names_the_older_service_stays_whatever_the_order() -> None:
    old = world("web", created_at=datetime(2020, 1, 1, tzinfo=UTC), version=1)
    new = world("web", "api", created_at=datetime(2021, 1, 1, tzinfo=UTC), version=2)
    for worlds in ([old, new], [new, old]):
        merged = merge(worlds)
        assert [(service.name, service.version) for service in merged.services] == [("api", 2), ("web", 1)]
    assert merge([old]) is old


def test_a_source_without_addresses_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="no listener address"):
        ListenerSource(())


async def test_the_end_of_watching_is_prompt(listener: FakeListener, make: Sources) -> None:
    async with watching(make(listener.address)) as watched:
        await watched.until("listener")
        await asyncio.sleep(0.2)
        began = time.monotonic()
    assert time.monotonic() - began < 3


def test_of_certificates_the_one_that_was_put_last_stays() -> None:
    """Whatever the order of the worlds, and beside all services."""
    moments = [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]
    old, new = (StoredCertificate(name="shop.pem", content=f"v1:{each.day}", put_at=each) for each in moments)
    other = new.model_copy(update={"name": "a.pem"})
    one = Snapshot(services=world("web").services, certificates=(old,))
    two = Snapshot(certificates=(other, new))
    for worlds in ([one, two], [two, one]):
        merged = merge(worlds)
        assert merged.certificates == (other, new)
        assert merged.services == one.services
