"""What services are told beside their conditions: who else claims what they have, and which labels mean nothing."""

from dataclasses import replace
from itertools import combinations

import pytest
from builders import BORN, SURROUNDINGS, condition, desired_of, reasons, service, snapshot
from hypothesis import given
from properties.test_islands import MANY
from properties.worlds import WORLDS
from tls.authorities import fixed_certificate

from models.proxy import Desired
from models.service import TABLE
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService

HTTP = {"port": "80"}
TCP = {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}
SNI = {"reqMode": "sni", "srcPort": "8443", "port": "443"}
GROUP = {**TCP, "serviceGroup": "pool"}
CERTIFICATE = fixed_certificate("shop.example.com")
OTHER_CERTIFICATE = fixed_certificate("shop.example.com", "www.example.com")
Pair = tuple[dict[str, str], dict[str, str]]
CONFLICTS = [
    pytest.param(({**HTTP, "servicePath": "/a"}, {**HTTP, "servicePath": "/a"}), "/a", id="route"),
    pytest.param((TCP, TCP), "port 6379", id="TCP port"),
    pytest.param((GROUP, {**GROUP, "allowedSrc": "10.0.0.0/8"}), "the group pool", id="who may connect to a group"),
    pytest.param(
        ({**HTTP, "servicePath": "/a", "aclName": "x"}, {**HTTP, "servicePath": "/b", "aclName": "x"}),
        "the name x",
        id="name",
    ),
    pytest.param(({**SNI, "serviceDomain": "a.com"}, {**SNI, "serviceDomain": "a.com"}), "a.com", id="SNI name"),
    pytest.param(
        (
            {**HTTP, "servicePath": "/a", "serviceCert": CERTIFICATE},
            {**HTTP, "servicePath": "/b", "serviceCert": OTHER_CERTIFICATE},
        ),
        "the name shop.example.com of the certificate",
        id="name of a certificate",
    ),
    pytest.param(
        (
            {**HTTP, "serviceDomain": "a.com", "redirectFromDomain": "old.com"},
            {**HTTP, "serviceDomain": "b.com", "redirectFromDomain": "old.com"},
        ),
        "the redirect from old.com",
        id="redirect",
    ),
    pytest.param(
        ({**HTTP, "servicePath": "/a", "trafficGroup": "shop"}, {**HTTP, "servicePath": "/a", "trafficGroup": "other"}),
        "/a",
        id="traffic groups of other names",
    ),
]


def two(pair: Pair) -> tuple[SwarmService, SwarmService]:
    """Return the older service and the younger one."""
    return service("zoe", pair[0]), service("adam", pair[1], younger=1)


def told(desired: Desired, name: str) -> list[tuple[str, str]]:
    """Return the reasons and messages of a service's notices."""
    return [(each.reason.value, each.message) for each in desired.notices.get(name, ())]


def of(*services: SwarmService) -> Desired:
    """Return what is desired of a world, on a proxy that speaks TLS."""
    settings = ProxySettings(default_ports="80,443:ssl")
    return desired_of(snapshot(*services), settings=settings, surroundings=replace(SURROUNDINGS, now=BORN))


@pytest.mark.parametrize(("pair", "what"), CONFLICTS)
def test_both_sides_of_a_conflict_are_told(pair: Pair, what: str) -> None:
    """The younger one by its condition; the older one, which works as it should, by a notice. Each names the other."""
    desired = of(*two(pair))
    fact = condition(desired, "adam", "Accepted")
    assert fact.status == "False"
    assert "zoe" in fact.message
    ((reason, message),) = told(desired, "zoe")
    assert reason == "Contested"
    assert what in message
    assert "service adam" in message
    assert reasons(desired, "zoe") == ("Accepted", "ResolvedRefs", "Programmed")


@pytest.mark.parametrize(("pair", "what"), CONFLICTS)
def test_a_conflict_resolves_when_either_goes(pair: Pair, what: str) -> None:
    """The other one has what it claims, and nobody is told anything any more."""
    for each in two(pair):
        desired = of(each)
        assert desired.notices == {}, what
        assert reasons(desired, each.name) == ("Accepted", "ResolvedRefs", "Programmed")


@MANY
@given(world=WORLDS)
def test_whoever_is_contested_is_the_one_who_has_it(world: Snapshot) -> None:
    """A notice about another service names one that is told so itself, and that exists."""
    desired = desired_of(world)
    names = {each.name for each in world.services}
    for name, notices in desired.notices.items():
        for notice in (each for each in notices if each.reason == "Contested"):
            (rival,) = [each for each in names if f"by service {each} too" in notice.message]
            assert rival != name
            assert condition(desired, rival, "Accepted").status == "False"


@MANY
@given(world=WORLDS)
def test_without_a_pair_in_conflict_nobody_is_contested(world: Snapshot) -> None:
    """A notice comes from two services, whoever else is there."""
    contested = {(name, each) for name, told in desired_of(world).notices.items() for each in told}
    pairs = [desired_of(snapshot(*pair)).notices for pair in combinations(world.services, 2)]
    in_pairs = {(name, each) for notices in pairs for name, told in notices.items() for each in told}
    alone = {(n, e) for each in world.services for n, told in desired_of(snapshot(each)).notices.items() for e in told}
    assert contested <= in_pairs | alone


def test_members_of_a_traffic_group_that_miss_each_other_are_told() -> None:
    """Both claim the path, one with a condition: neither has lost anything, and nothing is shared."""
    shared = {**HTTP, "servicePath": "/a", "trafficGroup": "shop"}
    desired = of(*two((shared, {**shared, "serviceHeader": "X-Version:2"})))
    for name, other in (("zoe", "adam"), ("adam", "zoe")):
        ((reason, message),) = told(desired, name)
        assert reason == "RouteNotShared"
        assert f"service {other}" in message
        assert reasons(desired, name) == ("Accepted", "ResolvedRefs", "Programmed")
    assert of(*two((shared, shared))).notices == {}


@pytest.mark.parametrize("mode", ["tcp", "sni"])
@pytest.mark.parametrize("name", ["priority", "trafficGroup", "weight", "serviceHeader", "isDefaultBackend"])
def test_label_without_effect_is_told(mode: str, name: str) -> None:
    """It is no fault: the service works without it."""
    labels = {**(TCP if mode == "tcp" else SNI), name: TABLE[name].label.example}
    desired = of(service("web", labels))
    assert told(desired, "web") == [("LabelWithoutEffect", f"com.df.{name} has no effect with com.df.reqMode={mode}")]
    assert reasons(desired, "web") == ("Accepted", "ResolvedRefs", "Programmed")


def test_label_that_some_destination_has_use_for_is_not_told() -> None:
    """A bare label goes for all destinations, and is there for those that it means something to."""
    labels = {"priority": "1", "reqMode.1": "tcp", "srcPort.1": "6379", "port.1": "6379", "port.2": "80"}
    assert of(service("web", {**labels, "servicePath.2": "/a"})).notices == {}
    ((_, message),) = told(of(service("web", {**labels, "servicePath.2": "/a", "priority.1": "2"})), "web")
    assert message.startswith("com.df.priority.1 has no effect")


def test_label_that_only_connections_have_use_for_is_told() -> None:
    """It goes both ways."""
    ((_, message),) = told(of(service("web", {**HTTP, "servicePath": "/a", "serviceGroup": "pool"})), "web")
    assert message == "com.df.serviceGroup has no effect with com.df.reqMode=http"
