"""Two proxies on two nodes under a steady load, while the tasks of the service behind them come and go."""

from collections.abc import Callable, Iterator

import pytest
from e2e.bench import HTTP, Container, Proxy, Service, Swarm, eventually
from e2e.load import Load

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def both(proxy: Proxy) -> Iterator[Proxy]:
    """A proxy on each node."""
    proxy.scale(2)
    replicas = proxy.wait_for(2)
    assert {replica.node.name for replica in replicas} == {"node-1", "node-2"}
    yield proxy
    proxy.scale(1)
    proxy.wait_for(1)


def create(swarm: Swarm, name: str, replicas: int, **labels: str) -> Service:
    """Create a service behind a path that is not its own."""
    given = {"notify": "true", "port": "8080", **labels}
    options = (part for label, value in given.items() for part in ("--label", f"com.df.{label}={value}"))
    quick = ("--update-monitor", "100ms", "--restart-delay", "100ms")
    return swarm.create(name, "--network", "proxy", "--replicas", str(replicas), *quick, *options)


@pytest.fixture
def crowd(swarm: Swarm, both: Proxy) -> Iterator[Service]:
    """A service of four tasks on both nodes, behind ``/demo``."""
    service = create(swarm, "crowd", 4, servicePath="/demo")
    service.wait_for(4)
    eventually(lambda: all(len(servers(view, "crowd")) == 4 for view in both.views()))
    both.answers("/demo/hello", 200)
    yield service
    service.remove()
    both.knows("crowd", known=False)


def server_names(proxy: Proxy, name: str) -> list[list[str]]:
    """The names of the servers of a service at each proxy, sorted."""
    return [sorted(server.split()[0] for server in servers(view, name)) for view in proxy.views()]


def servers(view: dict[str, dict[str, dict[str, list[str]]]], name: str) -> list[str]:
    """The servers of a service, as a proxy shows them."""
    return [server for backend in view[name]["backends"].values() for server in backend]


def addresses(proxy: Proxy) -> list[tuple[str, int]]:
    """Where requests to each of the proxies are sent."""
    return [(replica.node.address, replica.port(HTTP)) for replica in proxy.containers]


def test_no_request_fails_while_tasks_come_and_go(both: Proxy, crowd: Service) -> None:
    """Four kinds of updates, scaled up and down, and one container killed: all are answered, nothing is reloaded."""
    before = both.reloads()
    with Load(addresses(both), "/demo/hello").running() as load:
        for order in ("start-first", "stop-first"):
            for parallelism in ("1", "2"):
                with load.doing(f"the update {order}, {parallelism} at a time"):
                    crowd.update("--force", "--update-order", order, "--update-parallelism", parallelism)
                    all_answer(crowd, 4, load)
        slots = [f"crowd_{slot}" for slot in range(1, 5)]
        eventually(lambda: server_names(both, "crowd") == [slots, slots])
        for replicas in (8, 2):
            with load.doing(f"scaling to {replicas}"):
                crowd.scale(replicas)
                all_answer(crowd, replicas, load)
        with load.doing("the kill of one of two containers"):
            killed = crowd.containers[0]
            killed.node.docker("kill", killed.id)
            eventually(lambda: is_replaced(crowd, killed))
            all_answer(crowd, 2, load)
    assert load.failures == [], load.told()
    assert len(load.times) > 2000, load.told()
    assert both.reloads() == before


@pytest.fixture
def sticky(swarm: Swarm, both: Proxy) -> Iterator[Service]:
    """A service of three tasks that keeps a client at one of them, behind ``/demo``."""
    service = create(swarm, "sticky", 3, servicePath="/demo", sessionType="sticky-server")
    service.wait_for(3)
    eventually(lambda: server_names(both, "sticky") == [["sticky_1", "sticky_2", "sticky_3"]] * 2)
    yield service
    service.remove()
    both.knows("sticky", known=False)


def test_a_session_stays_with_its_task_while_others_are_replaced(both: Proxy, sticky: Service) -> None:
    """Whichever proxy is asked, while another task is killed and replaced, and while others are added."""
    (first, *_) = both.answers("/demo/hello", 200)
    cookie = {"Cookie": first.headers["set-cookie"].partition(";")[0]}

    seen: set[tuple[int, str]] = set()

    def while_asking(is_done: Callable[[], object]) -> None:
        """Ask both proxies in the same session until something is so."""

        def look() -> bool:
            answers = [replica.get("/demo/hello", headers=cookie) for replica in both.containers]
            seen.update((answer.status, answer.task) for answer in answers)
            return bool(is_done())

        eventually(look)

    killed = next(container for container in sticky.containers if container.id[:12] != first.task)
    killed.node.docker("kill", killed.id)
    while_asking(lambda: is_replaced(sticky, killed))
    while_asking(lambda: len(sticky.containers) == 3)
    while_asking(lambda: server_names(both, "sticky") == [["sticky_1", "sticky_2", "sticky_3"]] * 2)
    sticky.scale(5)
    while_asking(lambda: all(len(names) == 5 for names in server_names(both, "sticky")))
    assert seen == {(200, first.task)}


def all_answer(service: Service, replicas: int, load: Load) -> None:
    """Wait until so many tasks run, no others, and each of them has answered requests."""
    tasks = {container.id[:12] for container in service.wait_for(replicas)}
    eventually(lambda: tasks <= load.tasks)


def is_replaced(service: Service, killed: Container) -> bool:
    """Tell whether a container is no longer among those of a service."""
    return killed.id not in {container.id for container in service.containers}
