"""Whether a service is published, under which name, and who has to log in."""

from pathlib import Path

import pytest
from builders import desired_of, read, rendered_of, service, snapshot
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of

from models.settings import ProxySettings

FILTERED = {"filter_proxy_instance_name": True, "proxy_instance_name": "Internal"}


@pytest.mark.parametrize(
    ("name", "labels", "backend"),
    [
        pytest.param("shop_web", {"shortName": "true"}, "web-be8080_0", id="stack"),
        pytest.param("shop_web_1", {"shortName": "true"}, "web_1-be8080_0", id="up to the first underscore"),
        pytest.param("web", {"shortName": "true"}, "web-be8080_0", id="no stack"),
        pytest.param("shop_web", {}, "shop_web-be8080_0", id="no label"),
        pytest.param("shop_web", {"shortName": "true", "aclName": "x"}, "x-be8080_0", id="aclName counts more"),
    ],
)
def test_short_name(name: str, labels: dict[str, str], backend: str) -> None:
    """The name of the stack is left out."""
    assert [each.name for each in desired_of(snapshot(service(name, PLAIN | labels))).backends] == [backend]


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
