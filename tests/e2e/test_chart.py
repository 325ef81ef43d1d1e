"""The stacks below ``charts/``, as ``docker stack deploy`` takes them."""

import os
import subprocess

import pytest
from e2e.bench import DEMO_IMAGE, ROOT, STACK, Proxy, Service, Swarm, eventually, request

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

PORT = 28080
HERE = ROOT / "tests/e2e"


def deploy(chart: str, stack: str, override: str, **variables: str) -> None:
    """Deploy one chart, with what differs on the testbed."""
    files = (f"{ROOT}/charts/{chart}/stack.yml", f"{HERE}/{override}")
    subprocess.run(
        ["docker", "stack", "deploy", *(f"--compose-file={file}" for file in files), "--resolve-image=never", stack],
        env={**os.environ, **variables},
        capture_output=True,
        check=True,
    )


@pytest.mark.usefixtures("networks")
def test_the_stacks_route_the_demo_on_every_node(swarm: Swarm) -> None:
    """After the commands of the charts' README the demo answers on both nodes, from containers that may do little."""
    deploy("swarmgate", STACK, "testbed-override.yml", HTTP_PORT=str(PORT), HTTPS_PORT="28443")
    deploy("demo", f"{STACK}-demo", "testbed-override-demo.yml", DEMO_IMAGE=DEMO_IMAGE)
    proxy, listener = Proxy(swarm, f"{STACK}_proxy"), Service(swarm, f"{STACK}_swarm-listener")
    replicas = proxy.wait_for(2)
    assert {replica.node.name for replica in replicas} == {"node-1", "node-2"}
    for node in swarm.nodes:
        eventually(lambda node=node: request(node.address, PORT, "/demo/hello").status == 200)
    proxy.knows(f"{STACK}-demo_web")
    for container in (*replicas, *listener.containers):
        assert container.facts["HostConfig"]["ReadonlyRootfs"]
        assert container.facts["HostConfig"]["CapDrop"] == ["ALL"]
        assert container.health == "healthy"
    for name in (f"{STACK}-demo_web", proxy.name, listener.name):
        Service(swarm, name).remove()
