"""The Docker API goes wrong: the routes stay, it is told, and what was missed is caught up with."""

from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from fakes.fake_docker import FakeDocker, Fault
from faults.clients import Clients
from faults.conftest import Site, Told
from roles.processes import Proxy, Role, eventually

pytestmark = pytest.mark.haproxy

UNREACHABLE = "Source unreachable"
"""What every role logs whose source cannot be read."""


@dataclass
class Swarm:
    """An engine, a proxy that reads it itself, and a listener on it with a proxy behind."""

    site: Site
    engine: FakeDocker
    beside: Proxy
    listener: Role
    behind: Proxy
    count: int = 0

    @property
    def readers(self) -> tuple[Role, Role]:
        """Those that read the engine."""
        return self.beside, self.listener

    def publish(self) -> str:
        """Create a service, and return its path."""
        self.count += 1
        self.engine.add_service(f"late-{self.count:02}", self.site.labels(f"/late-{self.count:02}"))
        return f"/late-{self.count:02}"

    def stale(self, told: Told, since: dict[str, int]) -> None:
        """Wait until both readers tell what is wrong, and have logged it; ``since`` is what `logged` was before."""
        for role in self.readers:
            told(role)
            before = since[str(role.log)]
            eventually(lambda role=role, before=before: UNREACHABLE in role.words()[before:], "it is logged")
            assert role.ready()

    def logged(self) -> dict[str, int]:
        """Return how much the readers have logged so far."""
        return {str(role.log): len(role.words()) for role in self.readers}

    def answer(self, path: str) -> None:
        """Wait until both proxies route to a path."""
        for proxy in (self.beside, self.behind):
            eventually(lambda proxy=proxy: proxy.status(path) == 200, f"{path} is answered")


@pytest.fixture(scope="module")
def swarm(lasting: Site) -> Swarm:
    """All of them, ready."""
    engine = lasting.engine("web")
    beside = lasting.proxy(DOCKER_HOST=engine.docker_host)
    listener = lasting.listener(engine.docker_host)
    behind = lasting.proxy("--listener-address", f"127.0.0.1:{listener.api}")
    for role in (beside, listener, behind):
        eventually(role.ready, "it is ready")
    return Swarm(lasting, engine, beside, listener, behind)


@pytest.fixture(autouse=True)
def _healed(swarm: Swarm) -> Iterator[None]:
    """Nothing is left wrong for the next test."""
    yield
    swarm.engine.heal()


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(Fault.REFUSE, marks=pytest.mark.fault("docker", "it hangs up", ready="no usable answer")),
        pytest.param(
            Fault.HANG,
            marks=pytest.mark.fault(
                "docker", "it takes connections and says nothing", ready="is the engine overloaded or hanging?"
            ),
        ),
        pytest.param(
            Fault.TRICKLE,
            marks=pytest.mark.fault(
                "docker", "its answers come byte by byte and never end", ready="is the engine overloaded or hanging?"
            ),
        ),
        pytest.param(
            Fault.ERROR,
            marks=pytest.mark.fault("docker", "it answers 500, without a leader", ready="status 500, rpc error"),
        ),
        pytest.param(
            Fault.NOT_A_MANAGER,
            marks=pytest.mark.fault(
                "docker", "it is no manager any more", ready="services can be read from managers only"
            ),
        ),
        pytest.param(Fault.FORBIDDEN, marks=pytest.mark.fault("docker", "it refuses us", ready="status 403")),
        pytest.param(
            Fault.TRUNCATED, marks=pytest.mark.fault("docker", "it hangs up in an answer", ready="no usable answer")
        ),
        pytest.param(
            Fault.HALF_JSON,
            marks=pytest.mark.fault("docker", "it sends half of the JSON", ready="is DOCKER_HOST right?"),
        ),
        pytest.param(
            Fault.GARBAGE,
            marks=pytest.mark.fault("docker", "it sends something that is no JSON", ready="is DOCKER_HOST right?"),
        ),
        pytest.param(
            Fault.WRONG, marks=pytest.mark.fault("docker", "it sends other JSON", ready="is DOCKER_HOST right?")
        ),
    ],
    ids=str,
)
def test_what_it_answers(swarm: Swarm, told: Told, fault: Fault) -> None:
    """A proxy that reads it, and one behind a listener, go on with what they know."""
    with Clients(swarm.beside.http) as beside, Clients(swarm.behind.http) as behind:
        before = swarm.logged()
        # An answer without an end is one of many bytes: the first ones of a connection have few.
        swarm.engine.fail(fault, "")
        late = swarm.publish()
        swarm.stale(told, before)
        for clients in (beside, behind):
            clients.go_on()
        swarm.engine.heal()
        swarm.answer(late)
    eventually(lambda: swarm.beside.get("/readyz").json()["message"] == "", "all is well again")


@pytest.mark.fault("docker", "nobody listens on its socket", ready="nobody listens there; is the engine running")
def test_it_is_gone(swarm: Swarm, told: Told) -> None:
    """As while the engine restarts."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        before = swarm.logged()
        swarm.engine.stop()
        swarm.stale(told, before)
        swarm.engine.start()
        swarm.answer(swarm.publish())


@pytest.mark.fault("docker", "it is so slow that each reading takes seconds")
def test_it_is_slow(swarm: Swarm) -> None:
    """What it says comes late, and is good for all that."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        swarm.engine.slowness = 3
        swarm.engine.fail(Fault.SLOW)
        swarm.answer(swarm.publish())


@pytest.mark.fault("docker", "it is replaced by one that speaks newer versions only")
def test_it_speaks_another_version(swarm: Swarm) -> None:
    """The version is agreed upon anew."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        swarm.engine.speak("1.44", "1.51")
        swarm.answer(swarm.publish())


@pytest.mark.fault("docker", "it is replaced by one that is too old", ready="are no longer supported by this library")
def test_it_speaks_no_known_version(swarm: Swarm, told: Told) -> None:
    """Nothing is read, and it is told."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        before = swarm.logged()
        swarm.engine.speak("1.0", "1.12")
        swarm.stale(told, before)
        swarm.engine.heal()
        swarm.answer(swarm.publish())


@pytest.mark.fault("docker", "its event stream ends again and again")
def test_its_events_flap(swarm: Swarm) -> None:
    """Changes arrive all the same, whether an event told of them or not."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        for _ in range(3):
            eventually(lambda: swarm.engine.streams >= 2, "the events are followed")
            swarm.engine.close_event_streams()
            swarm.publish()
        swarm.answer(f"/late-{swarm.count:02}")


@pytest.mark.fault("docker", "it says once that there are no services", log="Smaller snapshot held until confirmed")
def test_it_forgets_everything_for_a_moment(swarm: Swarm, told: Told) -> None:
    """It is asked a second time before anything is believed."""
    with Clients(swarm.beside.http), Clients(swarm.behind.http):
        swarm.engine.fail(Fault.EMPTY, "/services", times=1)
        # Not upon a change: after that only what has changed is asked for, and an engine may not know it yet.
        eventually(lambda: not all(told.missing(role) for role in swarm.readers), "it is told")
        swarm.answer(swarm.publish())
