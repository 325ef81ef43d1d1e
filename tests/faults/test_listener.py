"""The listener goes wrong, or the way to it: the proxy goes on with what it knows, says so, and catches up."""

import os
import signal
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fakes.fake_docker import FakeDocker
from fakes.relay import Relay, relaying
from faults.cables import cable
from faults.clients import Clients
from faults.clocks import Clocks
from faults.conftest import Site, Told
from haproxy.loopback import free_port
from roles.processes import STARTED, Proxy, Role, eventually

from controller.sources.wire import SnapshotWriter
from models.snapshot import Snapshot

pytestmark = pytest.mark.haproxy

STALE = Told(log="Source unreachable")
MINUTES = 600.0
"""Seconds that pass at once."""
_NOTHING = SnapshotWriter().write(Snapshot())
_EMPTY_WORLD = (
    b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nETag: "nothing"\r\nConnection: close\r\n'
    b"Content-Length: %d\r\n\r\n%s" % (len(_NOTHING), _NOTHING)
)


@dataclass
class Chain:
    """An engine, its listener, and a proxy that reaches that through a relay; time passes there as a test wants it."""

    site: Site
    engine: FakeDocker
    listener: Role
    relay: Relay
    proxy: Proxy
    clocks: Clocks

    def publish(self, name: str) -> None:
        """Create a service."""
        self.engine.add_service(name, self.site.labels(f"/{name}"))

    def answer(self, path: str, status: int = 200) -> None:
        """Wait for an answer through HAProxy."""
        eventually(lambda: self.proxy.status(path) == status, f"{path} is answered with {status}")


@pytest.fixture
def chain(site: Site) -> Iterator[Chain]:
    """All of them, ready."""
    engine = site.engine("web", "leaving")
    listener = site.listener(engine.docker_host)
    eventually(listener.ready, "the listener is ready")
    port = free_port()
    clocks = Clocks(site.home / "clocks")
    with relaying(port, listener.api) as relay:
        proxy = site.proxy("--listener-address", f"127.0.0.1:{port}", forks=False, **clocks.environment)
        eventually(proxy.ready, "the proxy is ready", within=STARTED)
        yield Chain(site, engine, listener, relay, proxy, clocks)


@pytest.mark.fault("listener", "it is down for minutes", ready="cannot be reached")
def test_it_is_down_for_minutes(chain: Chain, told: Told) -> None:
    """What came and what went meanwhile is caught up with."""
    with Clients(chain.proxy.http) as clients:
        chain.listener.send(signal.SIGKILL)
        told(chain.proxy)
        chain.clocks.jump(monotonic=MINUTES, wall=MINUTES)
        clients.until(
            lambda: chain.proxy.metric("swarmgate_source_staleness_seconds") > MINUTES, "it is known for how long"
        )
        STALE(chain.proxy)
        assert chain.proxy.ready()
        chain.engine.remove_service("leaving")
        chain.publish("coming")
        chain.listener.start()
        eventually(chain.listener.ready, "it is back", within=STARTED)
        chain.answer("/coming")
        chain.answer("/leaving", 503)


@pytest.mark.fault("listener", "the network to it swallows everything", ready="does not answer in time")
def test_the_network_is_cut(chain: Chain, told: Told) -> None:
    """Nobody refuses anything, and no answer comes: a poll is given up when it is overdue."""
    with Clients(chain.proxy.http):
        chain.relay.mode = "silent"
        chain.clocks.jump(monotonic=60)
        told(chain.proxy)
        STALE(chain.proxy)
        chain.publish("coming")
        chain.relay.mode = "faithful"
        chain.answer("/coming")


@pytest.mark.fault("listener", "something else answers at its address", ready="cannot be reached")
def test_it_answers_garbage(chain: Chain, told: Told) -> None:
    """What is no answer of a listener changes nothing."""
    with Clients(chain.proxy.http):
        chain.relay.mode = "garbage"
        chain.publish("coming")  # whatever poll is being held is answered now
        told(chain.proxy)
        STALE(chain.proxy)
        chain.relay.mode = "faithful"
        chain.answer("/coming")


@pytest.mark.fault("listener", "it answers that there are no services", log="Smaller snapshot held until confirmed")
def test_it_answers_with_an_empty_world(chain: Chain, told: Told) -> None:
    """To polls that it holds, and once to the question that follows such an answer; then it knows them again."""
    questions = 0

    def lie(said: bytes) -> bytes:
        nonlocal questions
        is_poll = b"wait=" in said.rpartition(b"GET ")[2]
        questions += not is_poll
        return _EMPTY_WORLD if questions <= 1 else b""

    with Clients(chain.proxy.http):
        chain.relay.lie = lie
        chain.publish("coming")
        told(chain.proxy)
        chain.answer("/coming")
        chain.answer("/leaving")


@pytest.mark.skipif(os.geteuid() != 0, reason="a network namespace takes root")
@pytest.mark.fault("listener", "the cable to its node is pulled", ready="Listener http")
def test_the_cable_is_pulled(site: Site, told: Told) -> None:
    """A real network, cut while a poll is held."""
    engine, clocks = site.engine("web"), Clocks(site.home / "clocks")
    with cable() as way:
        listener = site.listener(engine.docker_host, forks=False, prefix=way.there, IP=way.address)
        address = f"{way.address}:{listener.api}"
        proxy = site.proxy("--listener-address", address, forks=False, **clocks.environment)
        eventually(proxy.ready, "the proxy is ready", within=STARTED)
        with Clients(proxy.http):
            way.pull()
            clocks.jump(monotonic=60)
            told(proxy)
            STALE(proxy)
            engine.add_service("coming", site.labels("/coming"))
            way.plug()
            eventually(lambda: proxy.status("/coming") == 200, "it is caught up with")
