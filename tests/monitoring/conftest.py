"""A real Prometheus that scrapes a listener and its proxies by the jobs of ``charts/monitoring``."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from failures.conftest import API_TOKEN, Swarm, home, origin, swarm
from haproxy.loopback import free_port
from roles.processes import ask, eventually
from tls.authorities import Authority

__all__ = ["home", "origin", "swarm"]
CHART = Path(__file__).parents[2] / "charts/monitoring"
SERVICE = "shop"


def command(name: str) -> str:
    """Return the path of a program, such as those of Prometheus; skips the test if it is not here."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"there is no {name} here; install it with: tests/testbed/install")
    return found


@dataclass
class Prometheus:
    """A running Prometheus."""

    url: str

    def get(self, path: str, **parameters: str) -> Any:  # noqa: ANN401 - JSON
        """Return what its API tells, which has to be no fault."""
        answer = ask(f"{self.url}/api/v1/{path}", params=parameters, timeout=10)
        assert answer.json()["status"] == "success", f"{parameters}: {answer.text}"
        return answer.json()["data"]

    def query(self, expression: str) -> list[Any]:
        """Return the series that an expression gives now."""
        found: list[Any] = self.get("query", query=expression)["result"]
        return found

    def knows_rates(self) -> bool:
        """Whether everything has been scraped often enough, and the rules were evaluated upon that."""
        often = self.query("count_over_time(up[10s]) > 2")
        is_all = len(often) == len(self.get("targets")["activeTargets"])
        return is_all and bool(self.query("service_code:swarmgate_responses:rate5m"))


def scraping(swarm: Swarm) -> dict[str, Any]:
    """Return the chart's configuration, with addresses in place of the search for them."""
    config: dict[str, Any] = yaml.safe_load((CHART / "prometheus.yml").read_text(encoding="utf-8"))
    proxies = [f"127.0.0.1:{proxy.api}" for proxy in swarm.proxies]
    for job in config["scrape_configs"]:
        del job["dockerswarm_sd_configs"], job["relabel_configs"]
        is_listener = job["job_name"] == "swarmgate-listener"
        job["static_configs"] = [{"targets": [f"127.0.0.1:{swarm.listener.api}"] if is_listener else proxies}]
    config["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    config["rule_files"] = [str(CHART / "alerts.yml")]
    return config


@contextmanager
def served(config: dict[str, Any], folder: Path) -> Iterator[Prometheus]:
    """Run a Prometheus."""
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config), encoding="utf-8")
    address = f"127.0.0.1:{free_port()}"
    arguments = (f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data")
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [command("prometheus"), *arguments, f"--web.listen-address={address}"], stdout=log, stderr=log
        )
    made = Prometheus(f"http://{address}")
    try:
        eventually(lambda: ask(f"{made.url}/-/ready").is_success, "Prometheus is ready")
        yield made
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()


@pytest.fixture(scope="module")
def world(swarm: Swarm) -> Swarm:
    """A listener with two healthy proxies; there is one service, to which there was a request, and a certificate."""
    swarm.listener.start()
    for role in (swarm.listener, *swarm.proxies):
        eventually(role.ready, "it is ready")
    swarm.publish(SERVICE)
    swarm.answer(f"/{SERVICE}")
    put = ask(
        f"http://127.0.0.1:{swarm.proxies[0].api}/v1/certificates/shop.pem",
        "PUT",
        content=Authority.new().issue("shop.example").pem,
        headers={"X-Api-Token": API_TOKEN},
        timeout=15,
    )
    assert put.is_success, put.text
    return swarm


@pytest.fixture(scope="module")
def prometheus(world: Swarm, home: Path) -> Iterator[Prometheus]:
    """A Prometheus that knows all of them."""
    with served(scraping(world), home) as made:
        eventually(made.knows_rates, "everything was scraped")
        yield made
