"""The worlds that are measured: the same in every process, acceptable to Swarmgate, and as large as they are called."""

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest
from builders import desired_of, snapshot
from builders import service as swarm_service

from benchmarks.world import KINDS, World, relabelled, service, service_of, services

WORLDS: tuple[World, ...] = get_args(World)
_ROOT = Path(__file__).parents[2]
_TELL = "from benchmarks.world import services; print([list(services(w, 400, 80)) for w in %r])"


@pytest.mark.parametrize("world", WORLDS)
def test_a_world_is_as_large_as_asked_for_and_no_name_comes_twice(world: World) -> None:
    names = [each.name for each in services(world, 400, 8080)]

    assert len(set(names)) == 400
    assert [service(world, number, 8080).name for number in range(400)] == names


def test_a_world_is_the_same_in_every_process() -> None:
    """Whatever the order in which its sets are walked."""
    told = [
        subprocess.run(
            [sys.executable, "-c", _TELL % (WORLDS,)],
            env={"PYTHONHASHSEED": seed},
            cwd=_ROOT,
            capture_output=True,
            text=True,
            check=True,
            timeout=60,
        ).stdout
        for seed in ("1", "2")
    ]
    assert told[0] == told[1]
    assert "s00399" in told[0]


def test_a_smaller_world_is_the_beginning_of_a_larger_one() -> None:
    assert list(services("mixed", 10, 8080)) == list(services("mixed", 500, 8080))[:10]


def test_a_mixed_world_has_services_of_all_kinds() -> None:
    counted = Counter(each.kind for each in services("mixed", 400, 8080))

    assert counted.keys() == set(KINDS)
    assert counted["plain"] == 160


@pytest.mark.parametrize("kind", KINDS)
def test_swarmgate_takes_each_kind_of_service(kind: str) -> None:
    """Nothing is measured of services that are refused."""
    made = service_of(kind, 7, 8080)
    desired = desired_of(snapshot(swarm_service(made.name, made.labels)))

    assert {fact.status for facts in desired.conditions.values() for fact in facts} == {"True"}


def test_a_relabelled_service_differs_in_each_turn_and_keeps_its_path() -> None:
    before = service("plain", 7, 8080)
    after = [relabelled(before, turn) for turn in (1, 2)]

    assert [each.labels["servicePath"] for each in after] == [
        "/s00007,/relabelled-1-s00007",
        "/s00007,/relabelled-2-s00007",
    ]
    assert [each.request for each in after] == [before.request] * 2
