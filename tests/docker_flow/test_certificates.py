"""Certificates that are put through the API of one proxy: kept in the Swarm, sealed, and shown by all."""

import base64
import json
import signal
import subprocess
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fakes.fake_docker import FakeDocker
from haproxy.loopback import free_port
from pydantic import SecretStr
from roles.conftest import MakeListener, MakeProxy
from roles.processes import Proxy, Role, eventually
from tls.authorities import Authority
from tls.clients import shown

from controller.sealing import Seal

TOKEN = "between us"
API_TOKEN = "of the operator"
KNOWN = {"Authorization": f"Bearer {API_TOKEN}"}


@dataclass
class Engine:
    """An engine, and the names of the certificates that this test keeps there."""

    docker_host: str
    fake: FakeDocker | None = None
    name: str = field(default_factory=lambda: f"test-{uuid.uuid4().hex[:8]}")

    def kept(self) -> list[str]:
        """Return what is kept under this test's names, as text."""
        if self.fake is not None:
            return [base64.b64decode(each["Spec"]["Data"]).decode() for each in self.fake.configs.values()]
        return [
            base64.b64decode(each["Spec"]["Data"]).decode()
            for id_ in self._ids()
            for each in json.loads(self._docker("config", "inspect", id_))
        ]

    def clean(self) -> None:
        """Leave nothing behind."""
        for id_ in self._ids() if self.fake is None else ():
            self._docker("config", "rm", id_)

    def _ids(self) -> list[str]:
        listed = self._docker("config", "ls", "--filter=label=swarmgate.declared=certificate", "--format={{json .}}")
        configs = [json.loads(line) for line in listed.splitlines()]
        return [each["ID"] for each in configs if self.name in each["Name"]]

    def _docker(self, *arguments: str) -> str:
        command = ["docker", "-H", self.docker_host, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.swarm)])
def engine(request: pytest.FixtureRequest) -> Iterator[Engine]:
    """A fake engine, and a real one that manages a Swarm."""
    if request.param == "fake":
        with FakeDocker() as fake:
            yield Engine(fake.docker_host, fake)
        return
    made = Engine(request.getfixturevalue("docker_engine"))
    yield made
    made.clean()


@pytest.fixture
def listener(make_listener: MakeListener, engine: Engine, folder: Path) -> Role:
    """A ready listener."""
    made = make_listener(
        DOCKER_HOST=engine.docker_host, LISTENER_TOKEN=TOKEN, API_TOKEN=API_TOKEN, STATE_DIR=str(folder / "listener")
    )
    eventually(made.ready, "the listener is ready")
    return made


@dataclass
class Site:
    """A proxy, and the port on which it speaks TLS."""

    proxy: Proxy
    tls: int

    def put(self, name: str, pem: str, **query: str) -> httpx.Response:
        """Put a certificate by DFP's path."""
        url = f"http://127.0.0.1:{self.proxy.api}/v1/docker-flow-proxy/cert"
        return httpx.put(url, params={"certName": name, **query}, content=pem, headers=KNOWN, timeout=20)

    def problem(self, name: str) -> str | None:
        """Return what is wrong with a certificate; None if it is not there, or nothing is."""
        listed = {each["certificate"]: each["problem"] for each in self.proxy.get("/v1/certificates").json()}
        problem: str | None = listed.get(name)
        return problem


def start_site(make_proxy: MakeProxy, newest: Path, listener: Role, **environment: str) -> Site:
    """Start a proxy that follows the listener."""
    tls = free_port()
    proxy = make_proxy(
        newest,
        "--listener-address",
        f"127.0.0.1:{listener.api}",
        **{"LISTENER_TOKEN": TOKEN, "API_TOKEN": API_TOKEN, "DEFAULT_PORTS": f"{free_port()},{tls}:ssl"} | environment,
    )
    return Site(proxy, tls)


def test_a_certificate_put_at_one_proxy_is_shown_by_all_and_outlives_them(
    engine: Engine, listener: Role, make_proxy: MakeProxy, newest: Path
) -> None:
    """The answer comes when all have it; it is there after everything has restarted, and gone when it is removed."""
    authority = Authority.new()
    issued, renewed = authority.issue("shop.example"), authority.issue("shop.example")
    sites = [start_site(make_proxy, newest, listener) for _ in range(2)]
    for site in sites:
        eventually(site.proxy.ready, "the proxy is ready")
    name = f"{engine.name}.pem"
    eventually(lambda: len(replicas(listener)) == 2, "the listener knows both")

    answer = sites[0].put(name, issued.pem, distribute="true")
    assert answer.status_code == 200, answer.text
    assert answer.json()["Message"] == "Distributed to all instances"
    assert [shown(site.tls, "shop.example") for site in sites] == [issued.serial] * 2
    (kept,) = engine.kept()
    assert "BEGIN" not in kept
    assert json.loads(kept)["sealed"] is True

    assert sites[1].put(name, issued.pem).status_code == 200
    assert engine.kept() == [kept]
    assert sites[1].put(name, renewed.pem).status_code == 200
    assert [shown(site.tls, "shop.example") for site in sites] == [renewed.serial] * 2
    assert len(engine.kept()) == 1

    for role in (listener, *(site.proxy for site in sites)):
        role.send(signal.SIGKILL)
    listener.start()
    eventually(listener.ready, "the listener is ready again")
    fresh = start_site(make_proxy, newest, listener)
    sites[0].proxy.start()
    for site in (fresh, sites[0]):
        eventually(site.proxy.ready, "the proxy is ready again")
        assert shown(site.tls, "shop.example") == renewed.serial

    url = f"http://127.0.0.1:{fresh.proxy.api}/v1/certificates/{name}"
    assert httpx.delete(url, timeout=20).status_code == 403
    gone = httpx.delete(url, headers=KNOWN, timeout=20)
    assert gone.status_code == 200, gone.text
    assert engine.kept() == []
    assert shown(fresh.tls, "shop.example") != renewed.serial
    eventually(lambda: shown(sites[0].tls, "shop.example") != renewed.serial, "the other proxy shows it no more")
    assert httpx.delete(url, headers=KNOWN, timeout=20).status_code == 404


def replicas(listener: Role) -> list[str]:
    """Return the proxies that are ready, as the listener knows them."""
    return [each["replica"] for each in listener.get("/v1/replicas").json() if each["programmed"]]


@pytest.fixture
def docker_listener(make_listener: MakeListener, docker: FakeDocker) -> Role:
    """A listener of a fake engine that keeps what anybody puts."""
    made = make_listener(DOCKER_HOST=docker.docker_host, LISTENER_TOKEN=TOKEN, API_WRITES="open")
    eventually(made.ready, "the listener is ready")
    return made


def test_a_proxy_that_cannot_unseal_one_says_so_and_shows_the_others(
    docker: FakeDocker, docker_listener: Role, make_proxy: MakeProxy, newest: Path
) -> None:
    """By name, in its list, its log and its metrics; put again it is good again. What was kept open is read so."""
    authority = Authority.new()
    own, lost, open_ = (authority.issue(f"{name}.example") for name in ("own", "lost", "open"))
    site = start_site(make_proxy, newest, docker_listener)
    eventually(site.proxy.ready, "the proxy is ready")
    at = {"put_at": "2026-01-01T00:00:00Z"}
    before = Seal(SecretStr("the token before")).close("lost.pem", lost.pem)
    for name, body in (
        ("lost.pem", {"content": before, "sealed": True, **at}),
        ("open.pem", {"content": open_.pem, "sealed": False, **at}),
    ):
        put = httpx.put(f"http://127.0.0.1:{docker_listener.api}/v1/certificates/{name}", json=body, timeout=20)
        assert put.status_code == 200, put.text
    assert site.put("own.pem", own.pem).status_code == 200

    assert "sealed with another token" in str(site.problem("api/lost.pem"))
    assert shown(site.tls, "own.example") == own.serial
    assert shown(site.tls, "open.example") == open_.serial
    assert site.proxy.metric("swarmgate_certificates_rejected") == 1
    assert "api/lost.pem" in site.proxy.words()
    assert site.put("lost.pem", lost.pem).status_code == 200
    assert shown(site.tls, "lost.example") == lost.serial
    assert site.problem("api/lost.pem") is None
    listing = docker_listener.get("/v1/snapshot")
    assert listing.status_code == 403
    assert len(docker.configs) == 3


@pytest.mark.parametrize("body", [{}, {"content": "", "sealed": True, "put_at": "2026-01-01T00:00:00Z"}])
def test_the_listener_takes_no_odd_ones(docker_listener: Role, body: dict[str, object]) -> None:
    """Nor an odd name, nor one that is larger than the Swarm takes."""
    url = f"http://127.0.0.1:{docker_listener.api}/v1/certificates"
    good = {"content": "v1:x", "sealed": True, "put_at": "2026-01-01T00:00:00Z"}
    assert httpx.put(f"{url}/a.pem", json=body).status_code == 422
    assert httpx.put(f"{url}/a.pem", json=good | {"content": "x" * 300_000}).status_code == 422
    assert httpx.put(f"{url}/.hidden", json=good).status_code == 400
    assert httpx.delete(f"{url}/gone.pem").status_code == 404


def test_without_a_token_it_is_kept_unsealed_with_a_warning(
    make_listener: MakeListener, docker: FakeDocker, make_proxy: MakeProxy, newest: Path
) -> None:
    """``API_WRITES=open`` and nothing else: somebody has accepted that."""
    docker.add_service("proxy", {}, networks=("front",))
    task = docker.tasks_of("proxy")[0]
    task["NetworksAttachments"][0]["Addresses"] = ["127.0.0.1/8"]
    docker.touch()
    api, tls = free_port(), free_port()
    listener = make_listener(DOCKER_HOST=docker.docker_host, API_WRITES="open", PROXY_PORT=str(api))
    eventually(listener.ready, "the listener is ready")
    proxy = make_proxy(
        newest,
        "--listener-address",
        f"127.0.0.1:{listener.api}",
        api=api,
        API_WRITES="open",
        DEFAULT_PORTS=f"{free_port()},{tls}:ssl",
    )
    eventually(proxy.ready, "the proxy is ready")
    issued = Authority.new().issue("shop.example")

    assert Site(proxy, tls).put("shop.pem", issued.pem).status_code == 200
    assert shown(tls, "shop.example") == issued.serial
    assert "kept with its key unsealed" in proxy.words()
    (config,) = docker.configs.values()
    assert json.loads(base64.b64decode(config["Spec"]["Data"]))["sealed"] is False
