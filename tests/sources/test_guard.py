"""`GuardedSource`: what is believed at once, what only at the second reading, and what is kept when nobody answers."""

import asyncio
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.fake_listener import world
from structlog.testing import capture_logs

from controller.errors import SourceUnavailableError
from controller.sources.guard import GuardedSource, SnapshotGuard, is_suspicious
from controller.sources.saved import SavedSnapshot
from models.snapshot import Snapshot, SwarmService

MANY = [f"web-{number}" for number in range(10)]
EMPTY = Snapshot()
ONE, OTHER = ({"id": "one"},), ({"id": "other"},)
AWAY = SourceUnavailableError("the engine is away")
MOMENT = datetime(2026, 1, 2, tzinfo=UTC)


class Told:
    """A source that says what it is told, in order; the last thing again and again."""

    def __init__(self, *answers: Snapshot | Exception) -> None:
        self.answers = list(answers)
        self.readings = 0
        self.doubts = 0
        self.is_closed = False
        self.last_success: float | None = 1.0
        self.error: str | None = None

    async def snapshot(self) -> Snapshot:
        self.readings += 1
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        mark_dirty("told")

    def doubt(self) -> None:
        self.doubts += 1

    async def close(self) -> None:
        self.is_closed = True


def guarded(told: Told, state_dir: Path | None = None) -> GuardedSource:
    return GuardedSource(told, state_dir, confirm_after=0.01, now=lambda: MOMENT)


def names(snapshot: Snapshot) -> set[str]:
    return {service.name for service in snapshot.services}


def some_with_tasks(number: int) -> Snapshot:
    """Return the world of many services of which only so many have a task."""
    services = (*world(*MANY[:number], tasks=ONE).services, *world(*MANY[number:]).services)
    return Snapshot(services=services)


@pytest.mark.parametrize(
    ("accepted", "snapshot", "expected"),
    [
        pytest.param(None, world("web"), False, id="the first"),
        pytest.param(None, EMPTY, True, id="the first, and empty"),
        pytest.param(EMPTY, EMPTY, False, id="still empty"),
        pytest.param(EMPTY, world("web"), False, id="no longer empty"),
        pytest.param(world("web"), EMPTY, True, id="the last service is gone"),
        pytest.param(world("a", "b", "c"), world("a"), False, id="two of three are gone"),
        pytest.param(world(*MANY), world(*MANY[:5]), False, id="half of ten are gone"),
        pytest.param(world(*MANY), world(*MANY[:4]), True, id="more than half of ten are gone"),
        pytest.param(world(*MANY[:9]), world(*MANY[:1]), False, id="most of nine are gone"),
        pytest.param(world(*MANY), world(*(f"new-{name}" for name in MANY)), True, id="all are others"),
        pytest.param(world(*MANY), world(*MANY, "more"), False, id="one more"),
        pytest.param(world("web", tasks=ONE), world("web"), True, id="the last tasks are gone"),
        pytest.param(world("web", tasks=ONE), world("web", replicas=0), False, id="and none are wanted"),
        pytest.param(world("web", tasks=ONE), world("web", tasks=OTHER), False, id="the last task is another one"),
        pytest.param(world("web"), world("web"), False, id="there still are no tasks"),
        pytest.param(world(*MANY, tasks=ONE), some_with_tasks(5), False, id="half of ten have no tasks"),
        pytest.param(world(*MANY, tasks=ONE), some_with_tasks(4), True, id="more than half of ten have no tasks"),
    ],
)
def test_what_is_suspicious(accepted: Snapshot | None, snapshot: Snapshot, expected: bool) -> None:  # noqa: FBT001
    assert is_suspicious(accepted, snapshot) is expected


SERVICES = st.builds(
    lambda name, replicas, tasks: world(name, replicas=replicas, tasks=tasks).services[0],
    st.sampled_from([*MANY, *(f"new-{name}" for name in MANY)]),
    st.sampled_from([0, 1]),
    st.sampled_from([(), ONE]),
)


@given(kept=st.lists(SERVICES), gone=st.lists(SERVICES), come=st.lists(SERVICES))
def test_that_services_are_the_same_objects_saves_time_and_decides_nothing(
    kept: list[SwarmService], gone: list[SwarmService], come: list[SwarmService]
) -> None:
    def of(*services: SwarmService) -> Snapshot:
        by_name = {service.name: service for service in services}
        return Snapshot(services=tuple(by_name[name] for name in sorted(by_name)))

    accepted, snapshot = of(*kept, *gone), of(*kept, *come)
    others = Snapshot(services=tuple(service.model_copy() for service in snapshot.services))
    assert is_suspicious(accepted, snapshot) is is_suspicious(accepted, others)


def test_a_held_snapshot_is_believed_when_the_next_names_the_same_services() -> None:
    guard = SnapshotGuard(world(*MANY))
    assert not guard.admits(world("web-1", version=1))
    assert names(guard.accepted or EMPTY) == set(MANY)
    assert guard.admits(world("web-1", version=2))
    assert names(guard.accepted or EMPTY) == {"web-1"}


def test_a_held_snapshot_is_forgotten_when_all_is_well_in_between() -> None:
    guard = SnapshotGuard(world(*MANY))
    assert not guard.admits(EMPTY)
    assert guard.admits(world(*MANY))
    assert not guard.admits(EMPTY)


async def test_an_accident_is_never_seen() -> None:
    source = guarded(Told(world(*MANY), EMPTY, world(*MANY)))
    await source.snapshot()
    assert names(await source.snapshot()) == set(MANY)
    assert source.error is None


async def test_tasks_that_vanish_all_at_once_are_there_until_another_reading_agrees() -> None:
    with_tasks, without = world("web", "api", tasks=ONE), world("web", "api")
    source = guarded(Told(with_tasks, without, with_tasks, without, without))
    await source.snapshot()
    assert all(service.tasks for service in (await source.snapshot()).services)
    assert source.error is None
    assert not any(service.tasks for service in (await source.snapshot()).services)


async def test_a_real_loss_is_believed_after_a_moment() -> None:
    told = Told(world(*MANY), EMPTY)
    source = GuardedSource(told, confirm_after=0.2)
    await source.snapshot()
    began = time.monotonic()
    assert await source.snapshot() == EMPTY
    assert 0.2 <= time.monotonic() - began < 5
    assert (told.readings, told.doubts) == (3, 1)


async def test_readings_that_disagree_are_not_believed() -> None:
    source = guarded(Told(world(*MANY), world("web-1"), EMPTY, EMPTY))
    await source.snapshot()
    assert names(await source.snapshot()) == set(MANY)
    assert "lost most of its 10 services" in (source.error or "")
    assert await source.snapshot() == EMPTY
    assert source.error is None


async def test_a_first_world_that_is_empty_is_believed_if_it_stays_so() -> None:
    told = Told(EMPTY)
    assert await guarded(told).snapshot() == EMPTY
    assert told.readings == 2


async def test_an_unchanged_world_is_the_same_object() -> None:
    source = guarded(Told(world("web"), world("web")))
    first = await source.snapshot()
    assert await source.snapshot() is first


async def test_the_last_good_snapshot_stays_in_force_and_says_since_when_it_is_stale() -> None:
    source = guarded(Told(world("web"), AWAY, AWAY, world("api")))
    good = await source.snapshot()
    assert source.stale_since is None
    assert await source.snapshot() is good
    assert await source.snapshot() is good
    assert (source.stale_since, source.error) == (MOMENT, "the engine is away")
    assert names(await source.snapshot()) == {"api"}
    assert (source.stale_since, source.error) == (None, None)


async def test_without_a_last_good_snapshot_the_error_is_passed_on() -> None:
    source = guarded(Told(AWAY))
    with pytest.raises(SourceUnavailableError, match="the engine is away"):
        await source.snapshot()
    assert source.stale_since == MOMENT


async def test_an_outage_is_logged_when_it_begins_and_when_it_ends() -> None:
    source = guarded(Told(world("web"), AWAY, AWAY, AWAY, world("web")))
    with capture_logs() as logs:
        for _ in range(6):
            await source.snapshot()
    assert [(entry["event"], entry.get("error")) for entry in logs] == [
        ("Source unreachable", "the engine is away"),
        ("Source reachable again", None),
    ]


async def test_a_restart_while_nobody_answers_is_no_event(tmp_path: Path) -> None:
    first = guarded(Told(world("web", "api")), tmp_path)
    good = await first.snapshot()
    await first.close()
    assert await guarded(Told(AWAY), tmp_path).snapshot() == good


async def test_a_restart_does_not_make_the_guard_forget(tmp_path: Path) -> None:
    first = guarded(Told(world(*MANY)), tmp_path)
    await first.snapshot()
    await first.close()
    assert names(await guarded(Told(EMPTY, world(*MANY)), tmp_path).snapshot()) == set(MANY)


async def test_what_was_faulty_elsewhere_is_passed_on() -> None:
    told = Told(world("web"))
    source = guarded(told)
    told.error = "one of two listeners is away"
    await source.snapshot()
    assert source.error == "one of two listeners is away"
    assert source.last_success == 1.0
    reasons: list[str] = []
    await source.watch(reasons.append)
    assert reasons == ["told"]
    await source.close()
    assert told.is_closed


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not is_so():  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.005)


async def test_the_file_is_written_soon_and_only_when_something_changed(tmp_path: Path) -> None:
    path = tmp_path / "state" / "snapshot.json"
    saved = SavedSnapshot(path, interval=0.05)
    saved.save_soon(world("web"))
    await until(path.exists)
    written = path.stat()
    assert stat.S_IMODE(written.st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    saved.save_soon(world("web"))
    await saved.close()
    assert path.stat().st_ino == written.st_ino
    saved.save_soon(world("web", "api"))
    await saved.close()
    assert SavedSnapshot(path).load() == world("web", "api")
    assert [each.name for each in path.parent.iterdir()] == ["snapshot.json"]


async def test_of_many_changes_in_a_moment_the_last_is_written(tmp_path: Path) -> None:
    saved = SavedSnapshot(tmp_path / "snapshot.json", interval=0.1)
    for number in range(20):
        saved.save_soon(world("web", version=number))
        await asyncio.sleep(0.005)
    await until(lambda: saved.load() == world("web", version=19))
    await saved.close()


@pytest.mark.parametrize("content", [b"", b"{", b'{"services": 1}', b"\xff", b'{"services": [{"id": "x"}]}'])
def test_a_corrupt_file_is_ignored_with_a_warning(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "snapshot.json"
    path.write_bytes(content)
    with capture_logs() as logs:
        assert SavedSnapshot(path).load() is None
    assert [(entry["event"], entry["log_level"]) for entry in logs] == [("Saved snapshot ignored", "warning")]


def test_a_file_of_an_earlier_or_later_version_is_of_use(tmp_path: Path) -> None:
    path = tmp_path / "snapshot.json"
    path.write_text('{"services": [{"id": "1", "name": "web", "colour": "red"}]}')
    assert names(SavedSnapshot(path).load() or EMPTY) == {"web"}


@pytest.mark.fault("machine", "what is known of the world cannot be saved", log="Snapshot cannot be saved")
def test_a_disk_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    """A folder where a file should be stands for a full or read-only disk: it stops root too."""
    (tmp_path / "state").write_text("in the way")
    saved = SavedSnapshot(tmp_path / "state" / "snapshot.json")
    with capture_logs() as logs:
        saved.save(world("web"))
        saved.save(world("api"))
        (tmp_path / "state").unlink()
        saved.save(world("shop"))
    assert [entry["event"] for entry in logs] == ["Snapshot cannot be saved", "Snapshot can be saved again"]
    assert names(saved.load() or EMPTY) == {"shop"}
