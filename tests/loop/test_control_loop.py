"""When the loop reconciles, to the exact moment, and what it does about failures."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import pytest
from loop.jumping_clock import START, run
from structlog.testing import capture_logs
from structlog.typing import EventDict

from controller.backoff import Backoff
from controller.errors import ConfigRejectedError, PermanentError, SourceUnavailableError, TemporaryError
from controller.loop import ControlLoop, Pace, Result, Round

PACE = Pace(quiet=0.25, longest=1.0, resync=30.0)
Deed = Result | BaseException | Callable[[], Awaitable[Result]]


@dataclass
class Watched:
    """A loop whose reconciles do what they are told, and are written down."""

    deeds: list[Deed] = field(default_factory=list)
    rounds: list[tuple[float, Round]] = field(default_factory=list)
    jitter: float = 1.0
    logs: list[EventDict] = field(default_factory=list)

    def __post_init__(self) -> None:
        backoff = Backoff(first=0.5, longest=30.0, jitter=lambda: self.jitter)
        self.loop = ControlLoop(self.reconcile, pace=PACE, backoff=backoff)

    @property
    def times(self) -> list[float]:
        """When reconciles ran, in seconds after the start."""
        return [moment for moment, _ in self.rounds]

    async def reconcile(self, started: Round) -> Result:
        """Do the next deed; those beyond the last succeed."""
        self.rounds.append((now(), started))
        deed = self.deeds.pop(0) if self.deeds else Result()
        if isinstance(deed, BaseException):
            raise deed
        return deed if isinstance(deed, Result) else await deed()

    async def for_seconds(self, seconds: float, marks: Iterable[float] = ()) -> None:
        """Run the loop for a while, with marks at moments after the start."""
        clock = asyncio.get_running_loop()
        for moment in marks:
            clock.call_at(START + moment, self.loop.mark_dirty, "test")
        task = asyncio.ensure_future(self.loop.run())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


def now() -> float:
    """Return the seconds after the start, to the millisecond."""
    return round(asyncio.get_running_loop().time() - START, 3)


def watched(seconds: float, *deeds: Deed, marks: Iterable[float] = (), jitter: float = 1.0) -> Watched:
    """Run a loop for a while and return what it did."""
    done = Watched(list(deeds), jitter=jitter)
    run_for(done, seconds, marks)
    return done


def run_for(done: Watched, seconds: float, marks: Iterable[float] = ()) -> None:
    """Run a loop for a while."""
    with capture_logs() as logs:
        run(done.for_seconds(seconds, marks))
    done.logs.extend(logs)


def test_first_reconcile_is_at_once() -> None:
    """A restart is a non-event: nobody has to tell it to begin."""
    assert watched(1).times == [0]


@pytest.mark.parametrize(
    ("marks", "times"),
    [
        pytest.param([5], [0, 5.25], id="one change: after the quiet time"),
        pytest.param([5, 5.1, 5.2], [0, 5.45], id="a burst: after the last of it"),
        pytest.param([5, 5.2, 5.4, 5.6, 5.8, 6, 6.2], [0, 6, 6.25 + 0.2], id="no quiet: after the longest wait"),
        pytest.param([5, 5.3], [0, 5.25, 5.55], id="two changes apart: two reconciles"),
        pytest.param([5, 5, 5], [0, 5.25], id="many at one moment: one reconcile"),
    ],
)
def test_changes_wait_for_quiet_but_not_for_ever(marks: list[float], times: list[float]) -> None:
    """A burst costs one reconcile, and no burst starves."""
    assert watched(8, marks=marks).times == times


def test_unbroken_stream_of_changes_is_reconciled_once_per_longest_wait() -> None:
    """Counted from the first change that has not been seen yet."""
    stream = [5 + number / 10 for number in range(40)]
    assert watched(10, marks=stream).times == [0, 6, 7.1, 8.2, 9.15]


def test_resync_looks_although_nothing_changed() -> None:
    """Slowly, and it says why it runs."""
    done = watched(65)
    assert done.times == [0, 30, 60]
    assert [started.resync for _, started in done.rounds] == [False, True, True]
    assert [started.dirty_since for _, started in done.rounds] == [None, None, None]


def test_resync_is_not_put_off_by_changes() -> None:
    """What nobody tells is looked for however much is told: the slow timer runs from the last resync."""
    marks = [10 * number for number in range(1, 10)]
    done = watched(95, marks=marks)
    assert sum(started.resync for _, started in done.rounds) >= 2


def test_resync_is_not_put_off_by_a_reconcile_that_asks_to_run_again() -> None:
    """A host that never resolves asks every few seconds, for ever."""
    done = watched(95, *[Result(requeue_after=5.0)] * 100)
    assert sum(started.resync for _, started in done.rounds) >= 2


def test_round_says_since_when_a_change_waits() -> None:
    """The time from change to programmed is measured from the first mark."""
    done = watched(8, marks=[5, 5.1])
    assert [started.dirty_since for _, started in done.rounds] == [None, START + 5]
    assert [started.resync for _, started in done.rounds] == [False, False]


def test_round_says_whether_it_is_overtaken() -> None:
    """Whoever is about to do something dear can leave it to the next round, which knows of the change as well."""
    seen = []

    async def look_twice() -> Result:
        started = done.rounds[-1][1]
        seen.append(started.overtaken())
        await asyncio.sleep(0.2)
        seen.append(started.overtaken())
        return Result()

    done = Watched([look_twice])
    run_for(done, 1, marks=[0.1])
    assert seen == [False, True]
    assert not done.rounds[-1][1].overtaken()


def test_change_during_a_reconcile_causes_another_one() -> None:
    """It may have come too late to be seen."""

    async def slow() -> Result:
        await asyncio.sleep(2)
        return Result()

    done = watched(8, slow, marks=[1])
    assert done.times == [0, 2]
    assert done.rounds[1][1].dirty_since == START + 1


def test_reconciles_never_overlap() -> None:
    """There is one key, the world."""
    running: list[int] = [0, 0]

    async def slow() -> Result:
        running[0] += 1
        running[1] = max(running)
        await asyncio.sleep(3)
        running[0] -= 1
        return Result()

    watched(20, *[slow] * 6, marks=range(1, 15))
    assert running == [0, 1]


def test_reconcile_may_ask_to_run_again() -> None:
    """Something is pending that sends no event."""
    assert watched(8, Result(requeue_after=5.0)).times == [0, 5]


def test_change_comes_before_the_time_that_was_asked_for() -> None:
    """There is news, so there is no reason to wait."""
    assert watched(8, Result(requeue_after=5.0), marks=[1]).times == [0, 1.25]


def test_temporary_error_says_when_to_try_again() -> None:
    """The loop obeys."""
    assert watched(8, TemporaryError("busy", delay=3.0)).times == [0, 3]


@pytest.mark.parametrize(
    "error",
    [
        pytest.param(TemporaryError("gone"), id="temporary without a delay"),
        pytest.param(SourceUnavailableError("gone"), id="source unavailable"),
        pytest.param(RuntimeError("a bug"), id="unexpected"),
        pytest.param(TimeoutError(), id="a timeout that slipped through"),
    ],
)
def test_failures_that_go_on_are_tried_less_and_less_often(error: Exception) -> None:
    """Delays double up to the longest one."""
    done = watched(100, *[error] * 9)
    assert done.times == [0, 0.5, 1.5, 3.5, 7.5, 15.5, 31.5, 61.5, 91.5]


def test_delays_have_jitter() -> None:
    """Many replicas do not fall in step."""
    assert watched(5, *[TemporaryError("gone")] * 3, jitter=0.5).times == [0, 0.25, 0.75, 1.75]


def test_success_forgets_the_failures() -> None:
    """The next failure is tried again soon."""
    gone = TemporaryError("gone")
    done = watched(20, gone, gone, Result(requeue_after=10.0), gone)
    assert done.times == [0, 0.5, 1.5, 11.5, 12.0]


def test_change_wakes_a_failing_loop() -> None:
    """It may be the repair."""
    gone = TemporaryError("gone")
    done = watched(8, *[gone] * 4, marks=[4])
    assert done.times == [0, 0.5, 1.5, 3.5, 4.25]


@pytest.mark.parametrize(
    "error", [PermanentError("never"), ConfigRejectedError("refused", output="x")], ids=["permanent", "rejected"]
)
def test_permanent_error_waits_for_a_change(error: Exception) -> None:
    """Trying again with the same input fails in the same way; a change or the resync is another input."""
    assert watched(29, error).times == [0]
    assert watched(29, error, marks=[20]).times == [0, 20.25]
    assert watched(31, error).times == [0, 30]


def test_unexpected_error_is_logged_with_its_traceback_and_does_not_end_the_loop() -> None:
    """It is a bug, and the proxy goes on."""
    done = watched(8, ZeroDivisionError("a bug"), marks=[5])
    assert done.times == [0, 0.5, 5.25]
    (entry,) = [entry for entry in done.logs if entry["log_level"] == "error"]
    assert entry["event"] == "Reconcile failed unexpectedly and is tried again"
    assert entry["exc_info"]


def test_every_failure_is_logged_once_in_words_for_the_operator() -> None:
    """The level tells whether anybody has to do something."""
    done = watched(8, TemporaryError("no answer", delay=1.0), PermanentError("refused"))
    shown = [(entry["log_level"], entry["error"]) for entry in done.logs if "error" in entry]
    assert shown == [("warning", "no answer"), ("error", "refused")]


def test_cancelling_ends_it_in_the_middle_of_a_reconcile() -> None:
    """Stopping is no failure."""

    async def endless() -> Result:
        await asyncio.sleep(1000)
        return Result()

    done = watched(5, endless)
    assert done.times == [0]
    assert [entry for entry in done.logs if entry["log_level"] != "debug"] == []


def test_round_says_what_caused_it() -> None:
    """Each reason once; what nobody asked for is the start, the slow timer, or a further attempt."""
    done = watched(31, Result(), TemporaryError("later", delay=1.0), marks=[5, 5.1])
    assert [started.causes for _, started in done.rounds] == [("start",), ("test",), ("retry",), ("resync",)]


def test_a_failure_is_told_with_what_is_known_of_its_round() -> None:
    """In the same line."""

    async def fail() -> Result:
        watching.rounds[-1][1].facts["services"] = 7
        raise TemporaryError("not now")

    watching = Watched([fail])

    async def main() -> None:
        await watching.for_seconds(0.1)

    with capture_logs() as logs:
        run(main())
    (line,) = (each for each in logs if each["log_level"] == "warning")
    assert (line["error"], line["services"]) == ("not now", 7)
