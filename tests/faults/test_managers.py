"""Managers of a real Swarm are lost: the leader, and then so many that nobody can lead."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from faults.clients import Clients
from faults.conftest import Site, Told
from faults.managers import Manager, Managers, three_managers
from roles.processes import Proxy, Role, eventually

pytestmark = [pytest.mark.swarm, pytest.mark.haproxy, pytest.mark.timeout(180)]

OFTEN = {"RESYNC_INTERVAL": "1"}


@pytest.fixture(scope="module")
def managers(docker_engine: str, home: Path) -> Iterator[Managers]:  # noqa: ARG001 - where there is one, there can be more
    """Three of them."""
    with three_managers(home / "swarm") as managers:
        yield managers


def create(site: Site, manager: Manager, name: str) -> None:
    """Create a service that listens on this machine; its task stays pending, for there is no image."""
    labels = (part for key, value in site.labels(f"/{name}").items() for part in ("--label", f"{key}={value}"))
    manager.docker("service", "create", "--detach", "--no-resolve-image", "--name", name, *labels, "none")


def answer(path: str, *proxies: Proxy) -> None:
    """Wait until proxies route to a path."""
    for proxy in proxies:
        eventually(lambda proxy=proxy: proxy.status(path) == 200, f"{path} is answered")


def is_created(site: Site, manager: Manager, name: str) -> bool:
    """Tell whether a service could be created."""
    try:
        create(site, manager, name)
    except AssertionError:
        return False
    return True


def started(site: Site, managers: Managers) -> tuple[Role, Proxy, Proxy]:
    """Start a listener on one follower with a proxy behind it, and a proxy on the other; both route to ``/web``."""
    one, other = managers.followers
    create(site, one, "web")
    listener = site.listener(one.host, **OFTEN)
    eventually(listener.ready, "the listener is ready")
    behind = site.proxy("--listener-address", f"127.0.0.1:{listener.api}", **OFTEN)
    beside = site.proxy(DOCKER_HOST=other.host, **OFTEN)
    answer("/web", behind, beside)
    return listener, behind, beside


@pytest.mark.fault(
    "docker",
    "the leader of three managers is killed, then the next one, so that nobody can lead; then both come back",
    log="Source unreachable",
    ready="Docker Engine at",
)
def test_managers_are_lost(site: Site, managers: Managers, told: Told) -> None:
    """With another leader changes go on; without any, what was known stays in force."""
    listener, behind, beside = started(site, managers)
    first = managers.leader
    with Clients(behind.http), Clients(beside.http):
        first.kill()
        asked = managers.alive[0]
        eventually(lambda: is_created(site, asked, "elected"), "another one leads")
        answer("/elected", behind, beside)
        second = managers.leader
        second.kill()
        for role in (listener, beside):
            eventually(lambda role=role: role.get("/readyz").json()["message"] != "", "it is said")
            told(role)
            assert role.ready()
        for each in (first, second):
            each.start()
        eventually(lambda: is_created(site, first, "united"), "one of them leads again")
        answer("/united", behind, beside)
