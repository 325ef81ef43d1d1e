"""The page "Running Docker Flow Proxy With Automatic Reconfiguration", step by step, on a real Swarm."""

import re
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from e2e.bench import (
    API,
    HARDENED,
    HTTP,
    IMAGE,
    QUICK,
    SOCKET,
    Container,
    Proxy,
    Service,
    Swarm,
    eventually,
    steadily,
)

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

REDIS = 6379
HASH = "$6$F2eJJA.G$BfoxX38MoNS10tywEzQZVDZOAjJn9wyTZJecYg.CymjwE8Rgm7xJn0KG3faT36GZbOtrsu4ba.vhsnHrPCNAa0"
"""The page's own result of ``mkpasswd -m sha-512 password``."""


def labels(**values: str) -> tuple[str, ...]:
    """The options that give a service labels of ours, besides the two that every service of the page has."""
    given = {"notify": "true", "distribute": "true", **values}
    return tuple(option for name, value in given.items() for option in ("--label", f"com.df.{name}={value}"))


def relabel(**values: str) -> tuple[str, ...]:
    """The options that change labels of a service."""
    return tuple(option for name, value in values.items() for option in ("--label-add", f"com.df.{name}={value}"))


def create_demo(swarm: Swarm, *options: str, **values: str) -> Service:
    """Create the demo service as the page does, with labels that differ as told."""
    networks = ("--network", "go-demo", "--network", "proxy")
    return swarm.create("go-demo", "--env", "DB=go-demo-db", *networks, *labels(port="8080", **values), *options)


@pytest.fixture
def demo(swarm: Swarm, proxy: Proxy) -> Iterator[Service]:
    """The demo service, behind ``/demo``; gone afterwards."""
    with removed_afterwards(swarm, proxy):
        service = create_demo(swarm, servicePath="/demo")
        proxy.answers("/demo/hello", 200)
        yield service


@pytest.fixture
def no_demo(swarm: Swarm, proxy: Proxy) -> Iterator[None]:
    """No demo service, neither before nor afterwards: the test creates its own."""
    with removed_afterwards(swarm, proxy):
        yield


@contextmanager
def removed_afterwards(swarm: Swarm, proxy: Proxy) -> Iterator[None]:
    """Have the demo service removed, and all that follows from that done, when the body has ended."""
    try:
        yield
    finally:
        Service(swarm, "go-demo").remove()
        proxy.knows("go-demo", known=False)


@contextmanager
def stopped(listener: Service) -> Iterator[None]:
    """Have no listener during the body."""
    listener.scale(0)
    try:
        listener.wait_for(0)
        yield
    finally:
        listener.scale(1)


def count_answers(proxy: Proxy, path: str, requests: int) -> dict[str, int]:
    """Send requests through the proxy and count by which task each was answered."""
    counts: dict[str, int] = {}
    (replica, *_) = proxy.containers
    for _ in range(requests):
        answer = replica.get(path)
        assert answer.status == 200
        counts[answer.task] = counts.get(answer.task, 0) + 1
    return counts


@pytest.mark.usefixtures("no_demo")
def test_a_service_is_routed_once_it_has_the_four_labels(swarm: Swarm, proxy: Proxy) -> None:
    """After creation with the four labels ``/demo/hello`` is answered; other paths are 503."""
    swarm.create("go-demo-db", "--network", "go-demo", image="redis:3.2")
    proxy.answers("/demo/hello", 503)
    create_demo(swarm, servicePath="/demo")
    (answer,) = proxy.answers("/demo/hello", 200)
    assert answer.body == "hello, world!\n"
    for path in ("/", "/other", "/dem"):
        proxy.answers(path, 503)
    for view in proxy.views():
        assert set(view) == {"go-demo"}


def test_every_added_replica_receives_requests_without_a_reload(proxy: Proxy, demo: Service) -> None:
    """With five replicas each gets its share, and HAProxy has not been reloaded; so with two again."""
    before = proxy.reloads()
    demo.update("--replicas", "5")
    tasks = {container.id[:12] for container in demo.wait_for(5)}

    def all_share() -> None:
        counts = count_answers(proxy, "/demo/hello", 25)
        assert set(counts) == tasks, counts
        assert max(counts.values()) <= 2 * min(counts.values()), counts

    eventually(all_share)
    demo.scale(2)
    demo.wait_for(2)
    steadily(lambda: count_answers(proxy, "/demo/hello", 1), during=1)
    assert proxy.reloads() == before


def test_paths_and_domains_can_be_changed_while_the_service_runs(proxy: Proxy, demo: Service) -> None:
    """Several paths, one domain, two domains, a wildcard: each takes effect, nothing else is routed, no reload."""
    before = proxy.reloads()

    demo.update(*relabel(servicePath="/demo/hello,/demo/person"))
    proxy.answers("/demo/other", 503)
    proxy.answers("/demo/hello", 200)
    proxy.answers("/demo/person", 200)

    demo.update(*relabel(servicePath="/demo", serviceDomain="my-domain.com"))
    proxy.answers("/demo/hello", 503)
    proxy.answers("/demo/hello", 200, host="my-domain.com")
    proxy.answers("/demo/hello", 200, host="My-Domain.com:8080")
    proxy.answers("/demo/hello", 503, host="my-domain.com.evil.net")
    proxy.answers("/demo/hello", 503, host="my-other-domain.com")

    demo.update(*relabel(serviceDomain="my-domain.com,my-other-domain.com"))
    proxy.answers("/demo/hello", 200, host="my-other-domain.com")
    proxy.answers("/demo/hello", 200, host="my-domain.com")
    proxy.answers("/demo/hello", 503)

    demo.update(*relabel(serviceDomain="*domain.com"))
    proxy.answers("/demo/hello", 200, host="any.other-domain.com")
    proxy.answers("/demo/hello", 200, host="my-domain.com")
    proxy.answers("/demo/hello", 503, host="domain.org")

    assert proxy.reloads() == before


@pytest.mark.usefixtures("no_demo")
def test_a_removed_service_is_gone_and_the_log_tells_how(swarm: Swarm, proxy: Proxy) -> None:
    """The route goes with the service, without a reload, and one entry of the log names what was removed."""
    demo = create_demo(swarm, servicePath="/demo")
    proxy.answers("/demo/hello", 200)
    before = proxy.reloads()
    (replica,) = proxy.containers
    known = len(replica.log_events("Service removed"))
    demo.remove()
    proxy.answers("/demo/hello", 503)
    proxy.knows("go-demo", known=False)
    (entry,) = replica.log_events("Service removed")[known:]
    assert entry["service"] == "go-demo"
    assert entry["backends"] == ["go-demo-be8080_0"]
    assert entry["routes"] == ["/demo"]
    assert entry["haproxy_updated_by"] == "runtime"
    assert proxy.reloads() == before


def test_a_service_removed_while_the_listener_is_down_is_gone_once_it_is_back(
    proxy: Proxy, listener: Service, demo: Service
) -> None:
    """No notification can be missed: what is not in the Swarm any more is withdrawn when the Swarm is read again."""
    with stopped(listener):
        proxy.answers("/demo/hello", 200)
        demo.remove()
        eventually(lambda: not demo.containers)
        proxy.knows("go-demo")
    proxy.knows("go-demo", known=False, within=60)
    proxy.answers("/demo/hello", 503)


def test_a_service_that_opts_out_is_gone(proxy: Proxy, demo: Service) -> None:
    """Removing ``com.df.notify`` from a live service withdraws it, and giving it back brings it back."""
    demo.update("--label-rm", "com.df.notify")
    proxy.answers("/demo/hello", 503)
    proxy.knows("go-demo", known=False)
    demo.update(*relabel(notify="true"))
    proxy.answers("/demo/hello", 200)


def test_replicas_of_the_proxy_converge_by_themselves(proxy: Proxy, demo: Service) -> None:
    """Three replicas on two nodes know everything that the first one knew, and all of them follow changes."""
    demo.scale(3)
    proxy.scale(3)
    try:
        replicas = proxy.wait_for(3)
        assert {replica.node.name for replica in replicas} == {"node-1", "node-2"}
        assert len(proxy.answers("/demo/hello", 200)) == 3
        demo.update(*relabel(servicePath="/demo/hello"))
        proxy.answers("/demo/person", 503)
        proxy.answers("/demo/hello", 200)
    finally:
        proxy.scale(1)
        proxy.wait_for(1)


@pytest.mark.usefixtures("demo")
def test_a_killed_replica_is_back_and_not_healthy_before_it_answers(swarm: Swarm, proxy: Proxy) -> None:
    """Swarm starts a new replica for one that was killed; from the moment it is healthy it routes everything."""
    (killed,) = proxy.containers
    killed.node.docker("kill", killed.id)
    successor = eventually(lambda: the_other(swarm.containers("proxy"), killed))
    seen = healthy_only_when_answering(successor)
    assert seen[0] == "starting"
    assert seen[-1] == "healthy"
    proxy.wait_for(1)


def healthy_only_when_answering(replica: Container) -> list[str]:
    """Watch a new replica until it is healthy; its first answer from then on must be the service's."""
    seen: list[str] = []

    def look() -> bool:
        health = replica.health
        if not seen or seen[-1] != health:
            seen.append(health)
        if health == "healthy":
            assert replica.get("/demo/hello").status == 200
        return health == "healthy"

    eventually(look)
    return seen


@pytest.mark.usefixtures("demo")
def test_a_replica_without_a_listener_waits_to_become_healthy(swarm: Swarm, proxy: Proxy, listener: Service) -> None:
    """A new replica that cannot learn of the services takes no traffic; those there are serve on, and stay healthy."""
    (old,) = proxy.containers
    try:
        with stopped(listener):
            proxy.scale(2)
            new = eventually(lambda: the_other(swarm.containers("proxy"), old))
            eventually(lambda: bool(new.state["Health"]["Log"]))  # it has been asked once, at least

            def only_the_old_one_serves() -> None:
                assert old.get("/demo/hello").status == 200
                assert (old.health, new.health) == ("healthy", "starting")
                assert not is_connected(new)

            steadily(only_the_old_one_serves, during=4)
        healthy_only_when_answering(new)
    finally:
        proxy.scale(1)
        listener.wait_for(1)
        proxy.wait_for(1)


def the_other(containers: list[Container], known: Container) -> Container:
    """Return the one container besides a known one."""
    (other,) = (container for container in containers if container.id != known.id)
    return other


def is_connected(replica: Container) -> bool:
    """Tell whether a replica's HAProxy answers at all."""
    try:
        return bool(replica.get("/demo/hello").status)
    except OSError:
        return False


@pytest.mark.fault("listener", "its container is killed")
def test_nothing_is_lost_when_the_listener_is_killed(proxy: Proxy, listener: Service, demo: Service) -> None:
    """While the listener is killed and comes back, requests are answered; afterwards changes are followed as before."""
    (killed,) = listener.wait_for(1)
    before = proxy.reloads()
    killed.node.docker("kill", killed.id)
    steadily(lambda: count_answers(proxy, "/demo/hello", 1), during=2)
    listener.wait_for(1)
    demo.update(*relabel(servicePath="/demo/hello"))
    proxy.answers("/demo/person", 503)
    steadily(lambda: count_answers(proxy, "/demo/hello", 1), during=1)
    assert proxy.reloads() == before


@pytest.mark.usefixtures("demo")
def test_the_statistics_page_needs_credentials(swarm: Swarm, proxy: Proxy) -> None:
    """Without ``STATS_USER`` there is no page; with it the page asks for it; secrets win over variables."""
    page = "/admin?stats"
    proxy.answers(page, 503)

    proxy.update("--env-add", "STATS_USER=my-user", "--env-add", "STATS_PASS=my-pass")
    proxy.wait_for(1)
    proxy.answers(page, 401)
    (answer,) = proxy.answers(page, 200, user="my-user:my-pass")
    assert "Statistics Report" in answer.body

    swarm.create_secret("dfp_stats_user", "secret-user")
    swarm.create_secret("dfp_stats_pass", "secret-pass")
    proxy.update("--secret-add", "dfp_stats_user", "--secret-add", "dfp_stats_pass")
    proxy.wait_for(1)
    proxy.answers(page, 200, user="secret-user:secret-pass")
    proxy.answers(page, 401, user="my-user:my-pass")
    proxy.answers("/demo/hello", 200)


@pytest.mark.usefixtures("no_demo")
def test_paths_are_rewritten(swarm: Swarm, proxy: Proxy) -> None:
    """``reqPathSearchReplace`` replaces a part of the path, and takes regular expressions."""
    demo = create_demo(swarm, "--replicas", "3", servicePath="/something", reqPathSearchReplace="/something/,/demo/")
    (answer,) = proxy.answers("/something/hello", 200)
    assert answer.body == "hello, world!\n"
    (answer,) = proxy.answers("/something/else?a=b", 200)
    assert '"/demo/else?a=b"' in answer.body
    proxy.answers("/demo/hello", 503)

    demo.update(*relabel(reqPathSearchReplace="/something/.*,/demo/hello"))

    def all_say_hello() -> None:
        for path in ("/something/hello", "/something/else", "/something/totaly/different"):
            for answer in proxy.answers(path, 200):
                assert answer.body == "hello, world!\n"

    eventually(all_say_hello)


@pytest.mark.usefixtures("demo")
def test_users_of_the_proxy_protect_all_services(proxy: Proxy) -> None:
    """``USERS`` asks for a password everywhere, takes several users, and asks for none once it is removed."""
    proxy.update("--env-add", "USERS=my-user:my-pass")
    proxy.wait_for(1)
    (answer,) = proxy.answers("/demo/hello", 401)
    assert answer.headers["www-authenticate"] == 'Basic realm="defaultRealm"'
    proxy.answers("/demo/hello", 200, user="my-user:my-pass")
    proxy.answers("/demo/hello", 401, user="my-user:other")

    proxy.update("--env-add", "USERS=my-user-1:my-pass-1,my-user-2:my-pass-2")
    proxy.wait_for(1)
    proxy.answers("/demo/hello", 200, user="my-user-1:my-pass-1")
    proxy.answers("/demo/hello", 200, user="my-user-2:my-pass-2")
    proxy.answers("/demo/hello", 401, user="my-user:my-pass")

    proxy.update("--env-rm", "USERS")
    proxy.wait_for(1)
    proxy.answers("/demo/hello", 200)


@pytest.mark.usefixtures("no_demo")
def test_a_service_has_users_of_its_own(swarm: Swarm, proxy: Proxy) -> None:
    """``users`` in clear and hashed, and in a secret; together with the proxy's users, the service's own count."""
    demo = create_demo(swarm, servicePath="/demo", users="admin:password")
    proxy.answers("/demo/hello", 401)
    proxy.answers("/demo/hello", 200, user="admin:password")

    proxy.update("--env-add", "USERS=my-user:my-pass")
    proxy.wait_for(1)
    proxy.answers("/demo/hello", 200, user="admin:password")
    proxy.answers("/demo/hello", 401, user="my-user:my-pass")
    proxy.update("--env-rm", "USERS")
    proxy.wait_for(1)

    demo.update(*relabel(usersPassEncrypted="true", users=f"admin:{HASH}"))
    proxy.answers("/demo/hello", 200, user="admin:password")
    proxy.answers("/demo/hello", 401)
    proxy.answers("/demo/hello", 401, user=f"admin:{HASH}")

    fresh = subprocess.run(["mkpasswd", "-m", "sha-512", "geheim"], capture_output=True, text=True, check=True)
    demo.update(*relabel(users=f"admin:{fresh.stdout.strip()}"))
    proxy.answers("/demo/hello", 200, user="admin:geheim")
    proxy.answers("/demo/hello", 401, user="admin:password")

    swarm.create_secret("dfp_users_monitoring", f"observer:{HASH}")
    proxy.update("--secret-add", "dfp_users_monitoring")
    proxy.wait_for(1)
    demo.update("--label-rm", "com.df.users", *relabel(usersSecret="monitoring"))
    proxy.answers("/demo/hello", 200, user="observer:password")
    proxy.answers("/demo/hello", 401)
    proxy.answers("/demo/hello", 401, user="admin:geheim")


def test_tcp_is_forwarded(swarm: Swarm, proxy: Proxy) -> None:
    """A service with ``reqMode=tcp`` gets a port of its own on the proxy: Redis answers a PING with PONG."""
    proxy.update("--publish-add", f"mode=host,target={REDIS}")
    proxy.wait_for(1)
    redis = swarm.create(
        "redis",
        *("--network", "proxy", *labels(port=str(REDIS), srcPort=str(REDIS), reqMode="tcp")),
        image="redis:3.2",
    )
    (replica,) = proxy.containers
    address = replica.node.address, replica.port(REDIS)
    eventually(lambda: ping(address) == "+PONG")
    redis.remove()
    proxy.knows("redis", known=False)
    eventually(lambda: ping(address) != "+PONG")


def ping(address: tuple[str, int]) -> str:
    """Say PING as one does with telnet, and return the line that comes back."""
    try:
        with socket.create_connection(address, timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(100).decode().strip()
    except OSError as error:
        return str(error)


@pytest.mark.usefixtures("proxy")
def test_a_virtual_ip_is_that_of_the_shared_network(swarm: Swarm, proxy: Proxy) -> None:
    """In the mode ``vip`` requests go to the service's virtual IP on the network it shares with the proxy."""
    service = swarm.create(
        "go-demo-vip",
        *("--endpoint-mode", "vip", "--network", "go-demo", "--network", "proxy"),
        *labels(servicePath="/vip", port="8080"),
    )
    try:
        shared = swarm.docker("network", "inspect", "--format", "{{.Id}}", "proxy")
        template = "{{range .Endpoint.VirtualIPs}}{{.NetworkID}}={{.Addr}} {{end}}"
        addresses = swarm.docker("service", "inspect", "--format", template, service.name)
        virtual_ip = re.search(rf"{shared}=([0-9.]+)/", addresses)
        assert virtual_ip, addresses

        def programmed() -> None:
            for view in proxy.views():
                ((server,),) = view[service.name]["backends"].values()
                assert server.endswith(f" {virtual_ip[1]}:8080"), server

        eventually(lambda: (proxy.knows(service.name), programmed()))
    finally:
        service.remove()


@pytest.mark.usefixtures("demo")
def test_a_proxy_on_a_manager_needs_no_listener(swarm: Swarm) -> None:
    """With the Docker socket, and in its group, a proxy reads the Swarm by itself."""
    group = str(Path(swarm.nodes[0].socket).stat().st_gid)
    options = ("--network", "proxy", "--constraint", "node.role==manager", "--group", group, *SOCKET, *HARDENED, *QUICK)
    ports = ("--publish", f"mode=host,target={HTTP}", "--publish", f"mode=host,target={API}")
    swarm.create("lone-proxy", "--env", "SERVICE_NAME=lone-proxy", *options, *ports, image=IMAGE)
    alone = Proxy(swarm, "lone-proxy")
    try:
        alone.wait_for(1)
        alone.answers("/demo/hello", 200)
        alone.answers("/other", 503)
    finally:
        alone.remove()
