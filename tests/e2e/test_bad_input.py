"""Services with wrong labels, and a Docker API that fails: everybody else is served on."""

from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from e2e.bench import Proxy, Service, Swarm, eventually, steadily
from fakes.relay import Mode, Relay, relay_to

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

TEXT_LABELS = ("servicePath", "serviceDomain", "port", "reqPathSearchReplace", "users", "usersSecret")
"""Labels that take text, or would like to."""

MARKUP = {
    "newline": "/a\n    http-request return status 200 string hacked",
    "quote": '/a"b',
    "expression": "/%[env(HOME)]",
    "template": "/{{ 7 * 7 }}",
}

MISTAKES: Mapping[str, tuple[Mapping[str, str], tuple[str, ...]]] = {
    "no-port": ({"servicePath": "/a"}, ("com.df.port is missing",)),
    "no-number": (
        {"servicePath": "/a", "port": "eighty"},
        ("com.df.port='eighty'", "allowed: a port number from 1 to 65535"),
    ),
    "no-path-and-no-domain": ({"port": "8080"}, ("com.df.servicePath is missing", "com.df.serviceDomain")),
    "unknown-label": (
        {"servicePath": "/a", "port": "8080", "servicePaht": "/b"},
        ("com.df.servicePaht is not a label", "did you mean com.df.servicePath?"),
    ),
    **{
        name: (dict.fromkeys(TEXT_LABELS, text), tuple(f"com.df.{label}=" for label in TEXT_LABELS))
        for name, text in MARKUP.items()
    },
}
"""Labels of a service, and what its condition must say of them."""


def create(swarm: Swarm, name: str, labels: Mapping[str, str], replicas: int = 0) -> Service:
    """Create a service; without any task unless told otherwise, for its labels are read all the same."""
    given = (part for label, value in labels.items() for part in ("--label", f"com.df.{label}={value}"))
    options = ("--network", "proxy", "--replicas", str(replicas), "--label", "com.df.notify=true", *given)
    return swarm.create(name, *options)


@pytest.fixture(scope="module")
def served(swarm: Swarm, proxy: Proxy) -> Iterator[Service]:
    """A service without mistakes, which is to be served whatever happens."""
    service = create(swarm, "served", {"servicePath": "/demo", "port": "8080"}, replicas=1)
    proxy.answers("/demo/hello", 200)
    yield service
    service.remove()


@pytest.fixture(scope="module")
def mistaken(swarm: Swarm, proxy: Proxy, served: Service) -> Iterator[dict[str, Any]]:  # noqa: ARG001 - it comes first
    """All the services with mistakes, one created after the other; gives the first replica's view of the services."""
    services = [create(swarm, f"bad-{name}", labels) for name, (labels, _) in MISTAKES.items()]
    last = create(swarm, "last", {"servicePath": "/last", "port": "8080"})
    proxy.knows("last")
    yield proxy.containers[0].services()
    for service in (*services, last):
        service.remove()


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_answered_with_a_reason(mistaken: dict[str, Any], name: str) -> None:
    """``Accepted`` is false and names each wrong label, its value and what is allowed; nothing is routed."""
    view = mistaken[f"bad-{name}"]
    conditions = {condition["type"]: condition for condition in view["conditions"]}
    accepted = conditions["Accepted"]
    assert accepted["status"] == "False"
    assert accepted["reason"] == ("UnknownLabel" if name == "unknown-label" else "InvalidLabel")
    for part in MISTAKES[name][1]:
        assert part in accepted["message"]
    assert "\n" not in accepted["message"]
    assert conditions["Programmed"]["status"] == "False"
    assert view["routes"] == []


@pytest.mark.parametrize("name", MISTAKES)
@pytest.mark.usefixtures("mistaken")
def test_a_mistake_is_logged_once(proxy: Proxy, name: str) -> None:
    """The same reason is in the log once, however many reconciles there have been since."""
    entries = [
        entry
        for entry in proxy.containers[0].log_events("Service condition changed")
        if (entry["service"], entry["condition"]) == (f"bad-{name}", "Accepted")
    ]
    assert len(entries) == 1
    for part in MISTAKES[name][1]:
        assert part in entries[0]["message"]


@pytest.mark.usefixtures("mistaken")
def test_mistakes_are_counted(proxy: Proxy) -> None:
    """A metric tells how many services are not accepted, by reason."""

    def count(reason: str) -> float:
        (replica,) = proxy.containers
        return replica.metric("swarmgate_services", condition="Accepted", status="False", reason=reason)

    assert count("UnknownLabel") == 1
    assert count("InvalidLabel") == len(MISTAKES) - 1


@pytest.mark.usefixtures("mistaken")
def test_mistakes_of_others_do_not_matter(swarm: Swarm, proxy: Proxy, served: Service) -> None:
    """Beside them services are served, and new ones, too; nothing of their values has any effect."""
    proxy.answers("/demo/hello", 200)
    served.update("--label-add", "com.df.servicePath=/demo/hello,/demo/new")
    proxy.answers("/demo/new", 200)
    for path in ("/a", "/", "/b", "/49"):
        proxy.answers(path, 503)
    assert swarm.containers(proxy.name)[0].health == "healthy"


@pytest.fixture(scope="module")
def relay(swarm: Swarm, proxy: Proxy, listener: Service) -> Iterator[Relay]:
    """The listener's way to the Docker API, for as long as these tests run."""
    with relay_to(swarm.nodes[0].socket) as relay:
        listener.update(
            *("--env-add", "DOCKER_HOST=unix:///relay/docker.sock"),
            *("--mount-add", f"type=bind,source={relay.path.parent},target=/relay"),
        )
        listener.wait_for(1)
        yield relay
        relay.mode = "faithful"
        listener.update("--env-rm", "DOCKER_HOST", "--mount-rm", "/relay")
        listener.wait_for(1)
        proxy.wait_for(1)


@pytest.mark.fault("docker", "a real one cannot be reached, hangs, or breaks off its answers")
@pytest.mark.parametrize("mode", ["refused", "silent", "cut"])
def test_routes_stay_while_the_docker_api_fails(proxy: Proxy, served: Service, relay: Relay, mode: Mode) -> None:
    """Nothing is withdrawn while the Swarm cannot be read; what changed meanwhile is followed as soon as it can."""
    served.update("--label-add", "com.df.servicePath=/demo")
    proxy.answers("/demo/before", 200)
    relay.mode = mode
    served.update("--label-add", "com.df.servicePath=/demo/hello")

    def as_before() -> None:
        (replica,) = proxy.containers
        for path in ("/demo/hello", "/demo/before"):
            assert replica.get(path).status == 200

    steadily(as_before, during=3)
    assert proxy.containers[0].health == "healthy"
    relay.mode = "faithful"
    proxy.answers("/demo/before", 503, within=40)
    proxy.answers("/demo/hello", 200)


@pytest.mark.fault("docker", "a real one cannot be reached by a listener that has just been started")
def test_routes_stay_when_the_listener_starts_without_a_docker_api(
    proxy: Proxy, listener: Service, served: Service, relay: Relay
) -> None:
    """A listener that has never read the Swarm does not say that it is empty."""
    served.update("--label-add", "com.df.servicePath=/demo")
    proxy.answers("/demo/before", 200)
    relay.mode = "refused"
    (killed,) = listener.containers
    killed.node.docker("kill", killed.id)
    eventually(lambda: listener.containers[0].id != killed.id)
    steadily(lambda: proxy.answers("/demo/before", 200, within=0), during=4)
    relay.mode = "faithful"
    listener.wait_for(1)
    served.update("--label-add", "com.df.servicePath=/demo/hello")
    proxy.answers("/demo/before", 503, within=40)
