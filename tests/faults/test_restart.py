"""Everything is restarted at once, in the worst order: the listener comes last."""

import os
import signal
from dataclasses import dataclass

import pytest
from fakes.fake_docker import FakeDocker
from faults.clients import Clients
from faults.conftest import Site, Told
from roles.processes import STARTED, Proxy, Role, eventually

pytestmark = pytest.mark.haproxy


@dataclass
class Everything:
    """An engine, its listener, and two proxies behind that."""

    site: Site
    engine: FakeDocker
    listener: Role
    proxies: tuple[Proxy, Proxy]

    def crash(self) -> None:
        """End all processes of ours at once, but not HAProxy."""
        for role in (self.listener, *self.proxies):
            role.send(signal.SIGKILL)

    def answer(self, path: str, status: int = 200) -> None:
        """Wait for an answer of both proxies."""
        for proxy in self.proxies:
            eventually(lambda proxy=proxy: proxy.status(path) == status, f"{path} is answered with {status}")

    def start_proxies(self) -> None:
        """Start the proxies, and wait until they serve what they know from before."""
        for proxy in self.proxies:
            proxy.start()
        for proxy in self.proxies:
            eventually(proxy.ready, "the proxy is ready", within=STARTED)

    def change_and_start_listener(self) -> None:
        """Have the world be another one than it was, and the listener tell it."""
        self.engine.remove_service("leaving")
        self.engine.add_service("coming", self.site.labels("/coming"))
        self.listener.start()
        eventually(self.listener.ready, "the listener is ready", within=STARTED)
        self.answer("/coming")
        self.answer("/leaving", 503)


@pytest.fixture
def everything(site: Site) -> Everything:
    """All of it, ready."""
    engine = site.engine("web", "leaving")
    listener = site.listener(engine.docker_host)
    eventually(listener.ready, "the listener is ready")
    proxies = tuple(site.proxy("--listener-address", f"127.0.0.1:{listener.api}") for _ in range(2))
    made = Everything(site, engine, listener, (proxies[0], proxies[1]))
    made.answer("/leaving")
    return made


@pytest.mark.fault("controller", "all of them are killed at once, the listener comes last", ready="cannot be reached")
def test_all_controllers_at_once(everything: Everything, told: Told) -> None:
    """HAProxy goes on meanwhile, and is adopted as it is."""
    masters = [proxy.master for proxy in everything.proxies]
    with Clients(everything.proxies[0].http), Clients(everything.proxies[1].http):
        everything.crash()
        everything.start_proxies()
        for proxy in everything.proxies:
            told(proxy)
        everything.change_and_start_listener()
    assert [eventually(lambda proxy=proxy: proxy.master, "it answers") for proxy in everything.proxies] == masters


@pytest.mark.fault(
    "machine",
    "it loses its power, the listener comes last",
    lost="all, until the proxies are back; nothing waits for the listener",
    ready="cannot be reached",
)
def test_the_machine(everything: Everything, told: Told) -> None:
    """The proxies serve what they knew, at once."""
    masters = [proxy.master for proxy in everything.proxies]
    everything.crash()
    for master in masters:
        os.kill(master, signal.SIGKILL)
    everything.start_proxies()
    with Clients(everything.proxies[0].http), Clients(everything.proxies[1].http):
        for proxy in everything.proxies:
            assert proxy.status("/leaving") == 200
            told(proxy)
        everything.change_and_start_listener()
