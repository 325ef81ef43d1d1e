"""Whether a service is published, under which name, and who has to log in."""

from pathlib import Path

import pytest
from builders import desired_of, read, rendered_of, service, snapshot
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of

from models.settings import ProxySettings

FILTERED = {"filter_proxy_instance_name": True, "proxy_instance_name": "Internal"}


@pytest.mark.parametrize(
    ("name", "stack", "labels", "backend", "server"),
    [
        pytest.param("shop_web", "shop", {"shortName": "true"}, "web-be8080_0", "web", id="stack"),
        pytest.param("a_b_web", "a_b", {"shortName": "true"}, "web-be8080_0", "web", id="stack with an underscore"),
        pytest.param("shop_web", "", {"shortName": "true"}, "shop_web-be8080_0", "shop_web", id="no stack"),
        pytest.param("shop_web", "shop", {}, "shop_web-be8080_0", "shop_web", id="no label"),
        pytest.param("shop_web", "shop", {"shortName": "true", "aclName": "x"}, "x-be8080_0", "web", id="aclName"),
    ],
)
def test_short_name(name: str, stack: str, labels: dict[str, str], backend: str, server: str) -> None:
    """The name of the stack is left out of the backend's and of the server's, as DFSL leaves it out."""
    (made,) = desired_of(snapshot(service(name, PLAIN | labels, stack=stack))).backends
    assert (made.name, [each.name for each in made.servers]) == (backend, [server])


def test_short_name_in_the_realm() -> None:
    """Who has to log in sees it."""
    world = snapshot(service("shop_web", PLAIN | {"shortName": "true", "users": "ann:pw"}, stack="shop"))
    (backend,) = desired_of(world).backends
    assert backend.user_list is not None
    assert backend.user_list.realm == "webRealm"


def test_short_names_of_a_group_are_told_apart() -> None:
    """Two stacks may have a service of one name in one group; neither loses its servers."""
    group = {"reqMode": "tcp", "srcPort": "6379", "port": "6379", "serviceGroup": "db", "shortName": "true"}
    world = snapshot(
        service("a_redis", group | {"aclName": "a"}, stack="a"),
        service("b_redis", group | {"aclName": "b"}, stack="b", younger=1),
    )
    (backend,) = desired_of(world).backends
    assert [each.name for each in backend.servers] == ["db-redis6379_1", "db-b_redis6379_1"]


@pytest.mark.parametrize("name", ["serviceName", "scrapeNetwork", "nodeInfo"])
def test_what_is_for_others_changes_nothing(name: str) -> None:
    """Listeners send it, and Docker Flow Monitor reads it."""
    plain, marked = (rendered_of(snapshot(service("web", PLAIN | more))) for more in ({}, {name: '[["x","y"]]'}))
    assert plain == marked
    assert not read(PLAIN | {name: "any %[text]\n"}).problems


@pytest.mark.parametrize(("replicas", "count"), [("0", 0), ("1", 1), ("", 1)])
def test_replicas(replicas: str, count: int) -> None:
    """With 0 nothing is routed, and the conditions say why."""
    desired = desired_of(snapshot(service("web", PLAIN | {"replicas": replicas})))
    assert len(desired.backends) == len(desired.routing.prefixes) == count
    assert any(fact.reason == "SwitchedOff" for fact in desired.conditions["web"]) == (not count)


@pytest.mark.parametrize(
    ("labels", "settings", "is_here"),
    [
        pytest.param({"proxyInstanceName": "internal"}, FILTERED, True, id="this one"),
        pytest.param({"proxyInstanceName": "external"}, FILTERED, False, id="another one"),
        pytest.param({}, FILTERED, False, id="none named"),
        pytest.param({"proxyInstanceName": "external"}, {}, True, id="no filter"),
    ],
)
def test_proxy_instance_name(labels: dict[str, str], settings: dict[str, object], is_here: bool) -> None:  # noqa: FBT001
    """Services that are for another proxy are not there at all."""
    world = snapshot(service("web", PLAIN | labels))
    desired = desired_of(world, settings=ProxySettings.model_validate(settings))
    assert (bool(desired.backends), bool(desired.conditions)) == (is_here, is_here)


def test_user_def_changes_nothing() -> None:
    """It is for templates of one's own."""
    plain, marked = (rendered_of(snapshot(service("web", PLAIN | more))) for more in ({}, {"userDef": "blue"}))
    assert plain == marked
    assert destination_of({"userDef": "blue"}).custom.user_def == "blue"


async def test_ignore_authorization(binary: Path, folder: Path, origin: Origin) -> None:
    """One destination asks nobody, and leaves the header to the service; the other one asks."""
    labels = {"servicePath.1": "/open", "ignoreAuthorization.1": "true", "servicePath.2": "/closed", "users": "ann:pw"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/open", "Authorization: Basic eA==")).status == 200
        assert origin.got()["authorization"] == ["Basic eA=="]
        assert (await proxy.ask("/closed")).status == 401


async def test_ignore_authorization_of_the_proxy(binary: Path, folder: Path, origin: Origin) -> None:
    """The proxy's own users are not asked for either."""
    settings = ProxySettings.model_validate({"users": "ann:pw"})
    services = behind(origin, {"ignoreAuthorization": "true"}), behind(origin, name="closed")
    async with edge(binary, folder, *services, settings=settings) as proxy:
        assert (await proxy.ask()).status == 200
        assert (await proxy.ask("/closed")).status == 401


def test_refused() -> None:
    """Numbers and flags are what they are."""
    assert read(PLAIN | {"replicas": "two"}).problems
    assert read(PLAIN | {"ignoreAuthorization": "maybe"}).problems
