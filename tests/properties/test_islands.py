"""A service is an island: what others add, break or reorder changes nothing for those who claim something else."""

import random

from builders import desired_of, rendered_of, service, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st
from properties.worlds import WORLDS, services

from models.proxy import Desired
from models.snapshot import Snapshot, SwarmService
from render.sections import is_own

MANY = settings(derandomize=True, max_examples=60)


def belongings(desired: Desired, name: str) -> dict[str, object]:
    """Return everything in a desired state that is one service's."""
    names = {backend.name for backend in desired.backends if backend.service == name}
    return {
        "backends": {backend for backend in desired.backends if backend.service == name},
        "ports": {frontend for frontend in desired.tcp_frontends if frontend.service == name},
        "routes": {key for key, backend in desired.routing.prefixes.items() if backend in names},
        "names": {key for key, backend in desired.passthrough.names.items() if backend in names},
        "rest": {key for key, backend in desired.passthrough.rest.items() if backend in names},
        "endings": {key for key, backend in desired.passthrough.endings.items() if backend in names},
        "tests": {
            (port.port, rule) for port in desired.passthrough.ports for rule in port.rules if rule.backend in names
        },
        "conditions": desired.conditions[name],
    }


def claims_of(world: Snapshot) -> set[str]:
    """Return all that services claim when nobody else is there: routes, ports and names in HAProxy."""
    found: set[str] = set()
    for each in world.services:
        alone = desired_of(snapshot(each))
        ports = (*alone.tcp_frontends, *alone.passthrough.ports)
        found |= {*alone.routing.prefixes, *(f"port {each.port}" for each in ports)}
        found.add(f"name {each.labels.get('com.df.aclName', each.name)}")
    return found


def touched_by(newcomer: SwarmService, world: Snapshot) -> set[str]:
    """Return who claims the same as the newcomer, or the same as one of these, who may gain what that one loses."""
    claims = {each.name: claims_of(snapshot(each)) for each in world.services}
    claimed, touched = claims_of(snapshot(newcomer)), set[str]()
    while found := {name for name in claims.keys() - touched if claims[name] & claimed}:
        touched |= found
        claimed = claimed.union(*(claims[name] for name in found))
    return touched


@MANY
@given(world=WORLDS, newcomer=services("new"))
def test_newcomer_changes_nothing_for_those_who_claim_something_else(world: Snapshot, newcomer: SwarmService) -> None:
    """Backends, servers, users, routes and conditions of all others stay as they are."""
    before = desired_of(world)
    after = desired_of(snapshot(*world.services, newcomer))
    for name in {each.name for each in world.services} - touched_by(newcomer, world):
        assert belongings(after, name) == belongings(before, name)


@MANY
@given(world=WORLDS, newcomer=services("new"))
def test_younger_newcomer_takes_nothing_away(world: Snapshot, newcomer: SwarmService) -> None:
    """Whatever it claims, the older ones keep what they have."""
    youngest = newcomer.model_copy(update={"created_at": service(younger=99).created_at})
    before = desired_of(world)
    after = desired_of(snapshot(*world.services, youngest))
    for each in world.services:
        assert belongings(after, each.name) == belongings(before, each.name)


@MANY
@given(world=WORLDS, dice=st.randoms(use_true_random=False))
def test_order_of_the_snapshot_changes_nothing(world: Snapshot, dice: random.Random) -> None:
    """Every replica renders the same bytes, whatever order its source gives."""
    shuffled = list(world.services)
    dice.shuffle(shuffled)
    reordered = Snapshot(services=tuple(shuffled))
    assert rendered_of(reordered) == rendered_of(world)
    assert rendered_of(reordered).files() == rendered_of(world).files()
    assert desired_of(reordered).conditions == desired_of(world).conditions


@MANY
@given(world=WORLDS)
def test_every_service_is_told_everything(world: Snapshot) -> None:
    """Each has one condition of each type, and each that is not true says why."""
    desired = desired_of(world)
    assert set(desired.conditions) == {each.name for each in world.services}
    for facts in desired.conditions.values():
        assert [fact.type.value for fact in facts] == ["Accepted", "ResolvedRefs", "Programmed"]
        assert all(fact.message for fact in facts if fact.status == "False")


@MANY
@given(world=WORLDS)
def test_every_line_of_a_backend_has_its_owner(world: Snapshot) -> None:
    """HAProxy names a line when it refuses one, and the line names the service to blame."""
    rendered = rendered_of(world)
    service_of = {backend.name: backend.service for backend in desired_of(world).backends}
    lines = enumerate(rendered.config.splitlines(), 1)
    owners = {line.split()[1]: rendered.owners.get(number) for number, line in lines if line.startswith("backend ")}
    found = {name: owner for name, owner in owners.items() if not is_own(name)}
    assert found == {name: (owner,) for name, owner in service_of.items()}
    assert not any(owner for name, owner in owners.items() if name.startswith("proxy:"))


@MANY
@given(world=WORLDS)
def test_everything_that_is_referred_to_exists(world: Snapshot) -> None:
    """Routes lead to backends that are there, and backends are made from sections that are there."""
    rendered = rendered_of(world)
    sections = {tuple(line.split()[:2]) for line in rendered.config.splitlines() if line and not line.startswith(" ")}
    backends = {value.rpartition("|")[2] for value in rendered.maps["maps/prefixes.map"].values()} - {""}
    backends |= {
        value for file in ("names", "endings", "rest") for value in rendered.maps[f"maps/passed-{file}.map"].values()
    }
    assert backends <= set(rendered.backends)
    assert set(rendered.maps["maps/backends.map"]) == set(rendered.backends)
    for name, backend in rendered.backends.items():
        assert {("backend", name), ("defaults", backend.profile)} <= sections
