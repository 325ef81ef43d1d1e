"""How often something is repeated: as often as asked for, less if there is no time, and never without telling."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.context import Context
from benchmarks.subjects import SUBJECTS


@dataclass
class Clock:
    """Tells the time that it is set to, in seconds."""

    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def context(clock: Clock, *, quick: bool = False, sizes: tuple[int, ...] = (10, 1_000, 5_000)) -> Context:
    return Context(sizes, quick, Path("haproxy"), Path("out"), clock=clock)


def test_there_are_as_many_turns_as_asked_for(clock: Clock) -> None:
    assert list(context(clock).within(1).turns(full=7, quick=2)) == [0, 1, 2, 3, 4, 5, 6]
    assert list(context(clock, quick=True).within(1).turns(full=7, quick=2)) == [0, 1]


def test_when_the_time_is_up_there_are_no_more_than_are_needed(clock: Clock) -> None:
    """Three, without which there would be no telling how much the values differ."""
    turns = []
    for turn in context(clock).within(1).turns(full=7, quick=2):
        turns.append(turn)
        clock.now += 100
    assert turns == [0, 1, 2]


def test_the_turns_end_in_time(clock: Clock) -> None:
    turns = []
    for turn in context(clock).within(1).turns(full=70, quick=2):
        turns.append(turn)
        clock.now += 10
    assert turns == [0, 1, 2, 3, 4, 5]


def test_settled_values_are_enough(clock: Clock) -> None:
    assert list(context(clock).turns(full=7, quick=2, settled=lambda: True)) == [0, 1, 2]


def test_the_parts_of_a_subject_share_its_time(clock: Clock) -> None:
    """What one of them leaves is for those that follow."""
    whole = context(clock).within(10)
    assert whole.part(4).deadline == clock.now + 150
    clock.now += 60
    assert whole.part(3).deadline == clock.now + 180
    clock.now += 1000
    assert whole.part(2).deadline == clock.now


def test_the_promises_are_about_5000_services(clock: Clock) -> None:
    assert context(clock, sizes=(10, 5_000, 10_000)).large == 5_000
    assert context(clock, sizes=(10, 100)).large == 100


def test_a_subject_that_needs_some_sizes_takes_what_there_is_of_them(clock: Clock) -> None:
    assert context(clock).some(10, 5_000) == (10, 5_000)
    assert context(clock, sizes=(20, 30)).some(10, 5_000) == (20,)


def test_a_full_run_takes_35_minutes_at_most() -> None:
    assert sum(subject.minutes for subject in SUBJECTS.values()) <= 35
