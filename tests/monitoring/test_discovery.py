"""Which targets Prometheus finds in a Swarm by the jobs of the chart; the engine is a fake."""

from pathlib import Path
from typing import Any

import yaml
from fakes.fake_docker import FakeDocker
from monitoring.conftest import CHART, Prometheus, served
from roles.processes import eventually

JOBS = {
    "swarmgate-proxy": "swarmgate_proxy",
    "swarmgate-haproxy": "swarmgate_proxy",
    "swarmgate-listener": "swarmgate_swarm-listener",
}


def searching(docker: FakeDocker) -> dict[str, Any]:
    """Return the chart's configuration for another engine; nothing is scraped, for nobody is there."""
    config: dict[str, Any] = yaml.safe_load((CHART / "prometheus.yml").read_text(encoding="utf-8"))
    for job in config["scrape_configs"]:
        job["dockerswarm_sd_configs"] = [job["dockerswarm_sd_configs"][0] | {"host": docker.docker_host}]
    return config | {"global": {"scrape_interval": "1000d"}, "rule_files": []}


def targets(prometheus: Prometheus) -> set[tuple[str, str, str]]:
    """Return the job, the URL and the node of each target."""
    found = prometheus.get("targets")["activeTargets"]
    assert len(found) == len({each["scrapeUrl"] for each in found})
    return {(each["labels"]["job"], each["scrapeUrl"].partition("?")[0], each["labels"]["node"]) for each in found}


def wanted(docker: FakeDocker) -> set[tuple[str, str, str]]:
    """Return those that it has to have: one for each task that is to run."""
    return {
        (job, f"http://{attachment['Addresses'][0].partition('/')[0]}:8080{path}", f"host-{task['NodeID']}")
        for job, service in JOBS.items()
        for path in ["/metrics/haproxy" if job == "swarmgate-haproxy" else "/metrics"]
        for task in docker.tasks_of(service)
        for attachment in task["NetworksAttachments"]
        if task["DesiredState"] == "running" and attachment["Network"]["ID"] == "id-swarmgate_control"
    }


def test_each_task_is_one_target_of_a_job(folder: Path) -> None:
    """On the network of the two and on the port of the API; no task that is about to go, and nobody else."""
    with FakeDocker() as docker:
        docker.add_service("shop", networks=("proxy", "swarmgate_control"))
        docker.add_service("swarmgate_proxy", networks=("ingress", "proxy", "swarmgate_control"), replicas=2)
        docker.add_service("swarmgate_swarm-listener", networks=("swarmgate_control",))
        ports = [{"Protocol": "tcp", "TargetPort": port, "PublishedPort": port} for port in (80, 443)]
        docker.service("swarmgate_proxy")["Endpoint"]["Ports"] = ports
        docker.end_task(docker.add_task("swarmgate_proxy")["ID"])
        for name in ("node0", "node1"):
            docker.nodes[name] = {"ID": name, "Spec": {"Name": name}, "Description": {"Hostname": f"host-{name}"}}
        docker.touch()
        with served(searching(docker), folder) as prometheus:
            eventually(lambda: targets(prometheus) == wanted(docker), "it has found them")
        assert len(wanted(docker)) == 5
