"""What sharing a route out among services does."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from builders import desired_of, observed_of, rendered_of, service, snapshot
from hypothesis import given
from hypothesis import strategies as st
from label_effects.edge import Origin, behind, edge, running
from label_effects.reading import PLAIN, destination_of, problem_of

from controller.changes import MapChanged
from controller.plan import make_plan
from models.traffic import SLOTS, Member, slots_of
from render import records

SHARED = {"servicePath": "/shop", "trafficGroup": "shop"}
ASKED = 400


async def test_shared_by_weight(binary: Path, folder: Path) -> None:
    """Requests for a shared route are answered by every member, in proportion to the weights."""
    async with running(stable := Origin("stable"), canary := Origin("canary")):
        services = (
            behind(stable, {**SHARED, "weight": "75"}, name="stable"),
            behind(canary, {**SHARED, "servicePath": "/shop,/new", "weight": "25"}, name="canary"),
        )
        async with edge(binary, folder, *services) as proxy:
            counts = Counter([(await proxy.ask("/shop")).headers["x-origin"] for _ in range(ASKED)])
            assert (await proxy.ask("/new")).headers["x-origin"] == "canary"
    assert counts.keys() == {"stable", "canary"}
    assert 0.1 < counts["canary"] / ASKED < 0.4  # 1 in 4, give or take seven times the deviation


async def test_shared_with_a_condition(binary: Path, folder: Path) -> None:
    """Routes that need a test are shared too; without a weight, a member gets nothing."""
    labels = {**SHARED, "serviceHeader": "X-Beta:1"}
    async with running(blue := Origin("blue"), green := Origin("green")):
        services = behind(blue, {**labels, "weight": "0"}, name="blue"), behind(green, labels, name="green")
        async with edge(binary, folder, *services) as proxy:
            answers = [await proxy.ask("/shop", "X-Beta: 1") for _ in range(30)]
            assert {answer.headers["x-origin"] for answer in answers} == {"green"}
            assert (await proxy.ask("/shop")).status == 503


def test_without_a_group_the_older_service_has_the_route() -> None:
    """A weight alone shares nothing, and who is not in the group cannot join in."""
    rivals = service("a", {**SHARED, "port": "80"}), service("b", {"servicePath": "/shop", "port": "80"}, younger=1)
    desired = desired_of(snapshot(*rivals))
    assert {fact.reason.value for fact in desired.conditions["b"]} >= {"RouteConflict"}
    assert desired.routing.splits == {}
    assert desired.routing.prefixes["/shop"] == "a-be80_0"


def test_a_new_weight_changes_slots_only() -> None:
    """No route and no backend is touched when a weight changes, let alone a reload."""

    def shop(weight: int) -> Iterable[object]:
        labels = {**SHARED, "port": "80"}
        world = snapshot(service("a", {**labels, "weight": "50"}), service("b", {**labels, "weight": str(weight)}))
        return rendered_of(world)

    plan = make_plan(observed_of(shop(50)), shop(10))
    assert not plan.reload_reasons
    assert {change.file for change in plan.changes if isinstance(change, MapChanged)} == {records.SPLITS}
    assert len(plan.changes) == 1


MEMBERS = st.lists(
    st.builds(Member, st.text("abcdefgh", min_size=1, max_size=3), st.integers(0, 1000), st.booleans()),
    min_size=1,
    max_size=8,
    unique_by=lambda member: member.backend,
)


@given(MEMBERS)
def test_slots(members: list[Member]) -> None:
    """All slots are taken; the parts are those of the weights, and whoever is able and has a weight gets some."""
    counts = Counter(slots_of(members))
    assert sum(counts.values()) == SLOTS
    able = [member for member in members if member.ready and member.weight]
    if able:
        assert counts.keys() == {member.backend for member in able}
        total = sum(member.weight for member in able)
        assert all(abs(counts[each.backend] - each.weight * SLOTS / total) < len(able) for each in able)


@given(MEMBERS)
def test_nobody_able(members: list[Member]) -> None:
    """If nobody is able or has a weight, the best of the rest share the route: an answer is better than none."""
    weightless = [replace(member, weight=0) for member in members]
    expected = {member.backend for member in members if member.ready} or {member.backend for member in members}
    assert set(slots_of(weightless)) == expected


def test_accepted() -> None:
    """A weight is a whole number, 100 if there is none."""
    assert destination_of({**PLAIN, "trafficGroup": "shop"}).traffic.weight == 100
    assert destination_of({**PLAIN, "weight": "0"}).traffic.weight == 0


@pytest.mark.parametrize("value", ["-1", "1001", "1.5", "half", "٣"])
def test_refused(value: str) -> None:
    """Anything else is refused."""
    assert "a whole number from 0 to 1000" in problem_of({**PLAIN, "weight": value})
