"""Two services that claim the same: the older one keeps it, and the younger one is told who has it."""

import pytest
from builders import condition, desired_of, reasons, routes, service, snapshot

from models.settings import ProxySettings
from models.snapshot import SwarmService

TCP = {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}


def two(labels: dict[str, str], other: dict[str, str] | None = None) -> tuple[SwarmService, SwarmService]:
    """Return two services that claim the same; the names are against the order of age."""
    return service("zoe", labels), service("adam", other or labels, younger=1)


def test_older_service_keeps_a_route() -> None:
    """The younger one is told which route, and who has it."""
    desired = desired_of(snapshot(*two({"servicePath": "/a,/b", "serviceDomain": "x.com", "port": "80"})))
    assert routes(desired) == {"x.com#/a": "zoe-be80_0", "x.com#/b": "zoe-be80_0"}
    fact = condition(desired, "adam", "Accepted")
    assert (fact.status, fact.reason) == ("False", "RouteConflict")
    assert "x.com/" in fact.message
    assert "service zoe" in fact.message
    assert reasons(desired, "zoe")[0] == "Accepted"


def test_service_keeps_the_routes_that_are_its_alone() -> None:
    """A conflict costs the route it is about."""
    older, younger = two({"servicePath": "/a", "port": "80"}, {"servicePath": "/a,/b", "port": "80"})
    assert routes(desired_of(snapshot(older, younger))) == {"/a": "zoe-be80_0", "/b": "adam-be80_0"}


def test_equal_age_is_settled_by_acl_name() -> None:
    """Byte order, so that every replica decides alike."""
    labels = {"servicePath": "/a", "port": "80"}
    world = snapshot(service("zoe", {**labels, "aclName": "01"}), service("adam", {**labels, "aclName": "02"}))
    assert routes(desired_of(world)) == {"/a": "01-be80_0"}


def test_service_that_claims_a_route_twice_is_not_told_that_it_is_older_than_itself() -> None:
    """The lower index wins; the message is about the destinations of one service."""
    labels = {"servicePath": "/a", "port.1": "80", "port.2": "81"}
    desired = desired_of(snapshot(service("web", labels)))
    assert routes(desired) == {"/a": "web-be80_1"}
    fact = condition(desired, "web", "Accepted")
    assert fact.reason == "RouteConflict"
    assert "older" not in fact.message


def test_the_same_path_twice_in_one_label_is_no_conflict() -> None:
    """It says the same thing twice."""
    desired = desired_of(snapshot(service("web", {"servicePath": "/a,/a", "port": "80"})))
    assert reasons(desired, "web")[0] == "Accepted"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param({"servicePath": "/a"}, {"servicePath": "/a/"}, id="another path"),
        pytest.param({"servicePath": "/a"}, {"servicePath": "/a", "serviceDomain": "x.com"}, id="another domain"),
        pytest.param({"servicePath": "/a"}, {"servicePath": "/A"}, id="another letter case"),
        pytest.param({"serviceDomain": "x.com"}, {"serviceDomain": "*x.com"}, id="a wildcard around it"),
    ],
)
def test_different_claims_stand_side_by_side(one: dict[str, str], other: dict[str, str]) -> None:
    """Only exactly the same claim is a conflict; everything else has an order of precedence."""
    desired = desired_of(snapshot(*two({**one, "port": "80"}, {**other, "port": "80"})))
    assert len(routes(desired)) == 2
    assert reasons(desired, "adam") == reasons(desired, "zoe") == ("Accepted", "ResolvedRefs", "Programmed")


@pytest.mark.parametrize(
    "other",
    [
        pytest.param({"serviceDomain": "X.com:8080"}, id="case and port"),
        pytest.param({"serviceDomain": "x.com."}, id="dot"),
        pytest.param({"serviceDomain": "x.com", "servicePath": "/"}, id="default path"),
    ],
)
def test_different_spellings_of_one_claim_conflict(other: dict[str, str]) -> None:
    """They would match the same requests."""
    desired = desired_of(snapshot(*two({"serviceDomain": "x.com", "port": "80"}, {**other, "port": "80"})))
    assert reasons(desired, "adam")[0] == "RouteConflict"


def test_older_service_keeps_a_name() -> None:
    """Two services cannot be told apart in HAProxy by one name."""
    one, other = {"servicePath": "/a", "port": "80"}, {"servicePath": "/b", "port": "80"}
    desired = desired_of(snapshot(*two({**one, "aclName": "shop"}, {**other, "aclName": "shop"})))
    assert routes(desired) == {"/a": "shop-be80_0"}
    assert reasons(desired, "adam") == ("NameConflict", "Pending", "NotProgrammed")
    assert "service zoe" in condition(desired, "adam", "Accepted").message


def test_name_that_is_another_services_own_conflicts() -> None:
    """The service name is the default of ``aclName``."""
    world = snapshot(service("web"), service("other", {"servicePath": "/b", "port": "80", "aclName": "web"}, younger=1))
    assert reasons(desired_of(world), "other")[0] == "NameConflict"


def test_older_service_keeps_a_port() -> None:
    """A port can be listened on once."""
    desired = desired_of(snapshot(*two(TCP)))
    assert [(frontend.port, frontend.service) for frontend in desired.tcp_frontends] == [(6379, "zoe")]
    assert [backend.service for backend in desired.backends] == ["zoe"]
    fact = condition(desired, "adam", "Accepted")
    assert fact.reason == "PortConflict"
    assert "port 6379 is already used by service zoe" in fact.message


def test_service_without_anything_in_haproxy_is_not_called_programmed() -> None:
    """``Programmed`` means that HAProxy runs it."""
    desired = desired_of(snapshot(*two(TCP)))
    assert condition(desired, "adam", "Programmed").status != "True"


@pytest.mark.parametrize(
    "port", [pytest.param(80, id="HTTP"), pytest.param(443, id="second"), pytest.param(8080, id="API")]
)
def test_ports_of_the_proxy_itself_are_taken(port: int) -> None:
    """No service can take them away."""
    settings = ProxySettings(default_ports="80,443")
    desired = desired_of(snapshot(service("web", {**TCP, "srcPort": str(port)})), settings=settings)
    assert desired.tcp_frontends == ()
    assert "by the proxy itself" in condition(desired, "web", "Accepted").message


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param(({"servicePath": "/a", "port": "80"}, {"servicePath": "/a", "port": "80"}), id="route"),
        pytest.param((TCP, TCP), id="port"),
        pytest.param(
            ({"servicePath": "/a", "port": "80", "aclName": "x"}, {"servicePath": "/b", "port": "80", "aclName": "x"}),
            id="name",
        ),
    ],
)
def test_conflict_resolves_when_the_winner_goes(labels: tuple[dict[str, str], dict[str, str]]) -> None:
    """The world is judged as a whole each time, so nothing has to be told."""
    older, younger = two(*labels)
    assert reasons(desired_of(snapshot(older, younger)), "adam")[0] != "Accepted"
    assert reasons(desired_of(snapshot(younger)), "adam") == ("Accepted", "ResolvedRefs", "Programmed")
