"""The stacks below ``charts/``, as ``docker stack deploy`` takes them."""

import json
import os
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
from e2e.bench import DEMO_IMAGE, PROMETHEUS_IMAGE, ROOT, STACK, Container, Proxy, Service, Swarm, eventually, request
from tls.authorities import Authority

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

PORT = 28080
CHARTS, HERE = ROOT / "charts", ROOT / "tests/e2e"
DEMO, MONITORING = f"{STACK}-demo_web", f"{STACK}-monitoring"
ASK = """
import http.client, json, ssl
host, port, authority, certificate, lines = json.loads({given!r})
def connection():
    if not authority:
        return http.client.HTTPConnection(host, port, timeout=5)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.load_verify_locations(authority)
    if certificate:
        context.load_cert_chain(certificate)
    return http.client.HTTPSConnection(host, port, context=context, timeout=5)
def asked(method, path):
    asking = connection()
    try:
        asking.request(method, path)
        return asking.getresponse().status
    except OSError:
        return 0
print(json.dumps([asked(*line.split()) for line in lines]))
"""
FETCH = """
import urllib.request
print(urllib.request.urlopen({url!r}, timeout=5).read().decode())
"""


def deploy(stack: str, *files: str, **variables: str) -> None:
    """Deploy files, those of charts and those that tell what differs on the testbed, laid over each other."""
    subprocess.run(
        ["docker", "stack", "deploy", *(f"--compose-file={file}" for file in files), "--resolve-image=never", stack],
        env={**os.environ, "HTTP_PORT": str(PORT), "HTTPS_PORT": "28443", **variables},
        cwd=CHARTS,
        capture_output=True,
        check=True,
    )


@pytest.fixture(scope="module")
def demo(swarm: Swarm, networks: None) -> Iterator[None]:  # noqa: ARG001 - it joins them
    """The stack with a service to be reached."""
    deploy(f"{STACK}-demo", "demo/stack.yml", f"{HERE}/testbed-override-demo.yml", DEMO_IMAGE=DEMO_IMAGE)
    yield
    Service(swarm, DEMO).remove()


@pytest.fixture
def stack(swarm: Swarm, demo: None) -> Iterator[None]:  # noqa: ARG001 - it routes to it
    """Remove the services of stacks at the end; the test deploys them."""
    yield
    for name in (STACK, MONITORING):
        label = f"label=com.docker.stack.namespace={name}"
        services = swarm.docker("service", "ls", "--quiet", "--filter", label).split()
        if services:
            swarm.docker("service", "rm", *services)


def routed(swarm: Swarm) -> tuple[Container, Container]:
    """Wait until the only proxy routes to the demo; return its container and the listener's."""
    proxy = Proxy(swarm, f"{STACK}_proxy")
    (replica,) = proxy.wait_for(1)
    eventually(lambda: request(replica.node.address, PORT, "/demo/hello").status == 200)
    proxy.knows(DEMO)
    (listener,) = Service(swarm, f"{STACK}_swarm-listener").containers
    return replica, listener


def fetched(container: Container, url: str) -> Any:  # noqa: ANN401 - JSON
    """Return what is at a URL, as seen from within a container."""
    return json.loads(container.python(FETCH.format(url=url)))


def answered(
    container: Container, service: str, port: int, *lines: str, authority: str = "", certificate: str = ""
) -> list[int]:
    """Send requests (``GET /path``) from within a container; return the status of each, 0 if there is no answer.

    With the file of an authority they are sent by TLS, with that of a certificate it is shown.
    """
    given = json.dumps((f"{STACK}_{service}", port, authority, certificate, lines))
    statuses: list[int] = json.loads(container.python(ASK.format(given=given)))
    return statuses


@pytest.mark.usefixtures("stack")
def test_the_stacks_route_the_demo_on_every_node(swarm: Swarm) -> None:
    """After the commands of the charts' README the demo answers on both nodes, from containers that may do little."""
    deploy(STACK, "swarmgate/stack.yml", f"{HERE}/testbed-override.yml")
    proxy, listener = Proxy(swarm, f"{STACK}_proxy"), Service(swarm, f"{STACK}_swarm-listener")
    replicas = proxy.wait_for(2)
    assert {replica.node.name for replica in replicas} == {"node-1", "node-2"}
    for node in swarm.nodes:
        eventually(lambda node=node: request(node.address, PORT, "/demo/hello").status == 200)
    proxy.knows(DEMO)
    for container in (*replicas, *listener.containers):
        assert container.facts["HostConfig"]["ReadonlyRootfs"]
        assert container.facts["HostConfig"]["CapDrop"] == ["ALL"]
        assert container.health == "healthy"


@pytest.mark.usefixtures("stack")
def test_the_listener_reaches_nothing_of_the_engine_but_what_it_reads(swarm: Swarm) -> None:
    """With ``socket-proxy.yml`` it has no socket, and what stands before it lets through what is documented."""
    files = ("swarmgate/stack.yml", "swarmgate/socket-proxy.yml")
    overrides = (f"{HERE}/{name}.yml" for name in ("testbed-override", "testbed-override-socket-proxy"))
    deploy(STACK, *files, *overrides, PROXY_REPLICAS="1")
    replica, listener = routed(swarm)

    read = ("GET /version", "GET /services", "GET /tasks", "GET /nodes", "GET /v1.41/services")
    more = ("GET /secrets", "GET /containers/json", "GET /configs", "GET /v1.41/info", "POST /services/create")
    assert answered(listener, "docker", 2375, *read, *more) == [200] * len(read) + [403] * len(more)
    assert answered(replica, "docker", 2375, *read) == [0] * len(read)
    assert listener.python("import stat, os; print(stat.S_ISSOCK(os.stat('/var/run/docker.sock').st_mode))") == "False"
    assert listener.python("import os; print(os.getuid())") == "99"


@pytest.mark.usefixtures("stack")
def test_listener_and_proxies_prove_to_each_other_who_they_are(swarm: Swarm) -> None:
    """With ``tls.yml`` the world goes to those that have a certificate of the operator's authority, and by TLS only."""
    authority = Authority.new()
    swarm.create_secret("swarmgate_ca", authority.pem)
    swarm.create_secret("swarmgate_listener", authority.issue(f"{STACK}_swarm-listener").pem)
    swarm.create_secret("swarmgate_proxy", authority.issue("proxy").pem)
    deploy(STACK, "swarmgate/stack.yml", "swarmgate/tls.yml", f"{HERE}/testbed-override.yml", PROXY_REPLICAS="1")
    replica, listener = routed(swarm)

    (known,) = fetched(listener, "http://localhost:8080/v1/replicas")
    assert known["encrypted"]
    world = ("swarm-listener", 8443, "GET /v1/snapshot")
    authority_file, certificate = (f"/run/secrets/dfp_listener_tls_{name}" for name in ("ca", "cert"))
    assert answered(replica, "swarm-listener", 8080, "GET /v1/snapshot") == [403]
    assert answered(replica, *world, authority=authority_file) == [0]
    (told,) = listener.log_events("A client was turned away")
    assert told["reason"] == "it shows no certificate"
    assert answered(replica, *world, authority=authority_file, certificate=certificate) == [200]


@pytest.mark.usefixtures("stack")
def test_prometheus_finds_and_scrapes_every_task(swarm: Swarm) -> None:
    """The stack of ``monitoring`` runs beside the other as its README says; the image of Grafana is another one."""
    deploy(STACK, "swarmgate/stack.yml", f"{HERE}/testbed-override.yml")
    images = {"PROMETHEUS_IMAGE": PROMETHEUS_IMAGE, "GRAFANA_IMAGE": DEMO_IMAGE}
    deploy(MONITORING, "monitoring/stack.yml", SWARMGATE_STACK=STACK, GRAFANA_PASSWORD="given", **images)
    replicas = Proxy(swarm, f"{STACK}_proxy").wait_for(2)
    (listener,) = Service(swarm, f"{STACK}_swarm-listener").wait_for(1)
    Service(swarm, f"{MONITORING}_grafana").wait_for(1)

    wanted = {
        (job, node)
        for job, containers in (
            ("swarmgate-proxy", replicas),
            ("swarmgate-haproxy", replicas),
            ("swarmgate-listener", [listener]),
        )
        for node in (container.node.name for container in containers)
    }

    def all_are_scraped() -> None:
        told = fetched(listener, f"http://tasks.{MONITORING}_prometheus:9090/api/v1/targets")["data"]["activeTargets"]
        found = [(each["labels"]["job"], each["labels"]["node"]) for each in told if each["health"] == "up"]
        assert sorted(found) == sorted(wanted), told

    eventually(all_are_scraped, within=60)
    rules = fetched(listener, f"http://tasks.{MONITORING}_prometheus:9090/api/v1/rules")["data"]["groups"]
    assert {group["name"] for group in rules} > {"swarmgate-services", "swarmgate-certificates"}
