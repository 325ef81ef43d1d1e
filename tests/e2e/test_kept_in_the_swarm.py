"""Services and certificates that are put through the API of one proxy: the Swarm keeps them, all replicas have them."""

import json
import re
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from urllib.parse import urlencode

import pytest
from e2e.bench import (
    API,
    HARDENED,
    HTTP,
    IMAGE,
    QUICK,
    ROOT,
    STACK,
    Answer,
    Container,
    Proxy,
    Service,
    Swarm,
    eventually,
    steadily,
)
from fakes.relay import Relay, relay_to
from tls.authorities import Authority, Issued
from tls.clients import handshake

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(300)]

HTTPS = 443
TOKEN = "may change things"
DFP = "/v1/docker-flow-proxy"
PLAIN, BY_QUERY, CERTIFICATE = f"{STACK}-web", f"{STACK}-query", f"{STACK}-shop"
"""The names of what is declared here. The first is that of a service without labels."""

DOMAIN = "shop.example"
SECRET = ("--secret", "dfp_api_token")


@dataclass
class Site:
    """A listener, two proxies on two nodes, and a service without labels."""

    swarm: Swarm
    relay: Relay
    listener: Service
    proxy: Proxy

    def ask(self, method: str, path: str, body: str | None = None, token: str | None = TOKEN) -> Answer:
        """Send a request to the API of one proxy."""
        replica = self.proxy.containers[0]
        kind = "application/json" if body and body.startswith("{") else "application/x-pem-file"
        headers = {"Content-Type": kind} if body else {}
        return replica.get(path, target=API, method=method, body=body, headers=headers, token=token, timeout=30)

    def restart_all(self) -> None:
        """Have no proxy and no listener any more, then all of them again, the listener last."""
        for service in (self.proxy, self.listener):
            service.scale(0)
        for service in (self.proxy, self.listener):
            service.wait_for(0)
        self.proxy.scale(2)
        eventually(lambda: len(self.proxy.containers) == 2)
        self.listener.scale(1)
        self.listener.wait_for(1)
        self.proxy.wait_for(2)

    def kept(self, name: str) -> list[str]:
        """What is kept under a name, as text."""
        return [text for text in self.swarm.kept().values() if json.loads(text)["name"] == name]

    def shown(self) -> list[int]:
        """The serial number of the certificate that each proxy shows for the domain."""
        return [serial_at(replica) for replica in self.proxy.containers]

    def shows(self, issued: Issued, *, within: float = 20) -> None:
        """Wait until both proxies show a certificate."""

        def both() -> None:
            assert self.shown() == [issued.serial] * 2

        eventually(both, within=within)


def serial_at(replica: Container) -> int:
    """The serial number of the certificate that a proxy shows for the domain."""
    return handshake(replica.port(HTTPS), DOMAIN, address=replica.node.address)[0]


@pytest.fixture(scope="module")
def relay(swarm: Swarm) -> Iterator[Relay]:
    """The listener's only way to the Docker API."""
    with relay_to(swarm.nodes[0].socket) as relay:
        yield relay


@pytest.fixture(scope="module")
def site(swarm: Swarm, networks: None, relay: Relay) -> Iterator[Site]:  # noqa: ARG001 - services attach to them
    """Everything up and running; what it was is gone afterwards."""
    names = [f"{STACK}-kept-listener", f"{STACK}-kept-proxy"]
    swarm.create_secret("dfp_api_token", TOKEN)
    listener = swarm.create(
        names[0],
        *("--network", "proxy", "--constraint", "node.role==manager", "--user", "root", *HARDENED, *QUICK, *SECRET),
        *("--env", "DOCKER_HOST=unix:///relay/docker.sock", "--env", f"SERVICE_NAME={names[1]}"),
        *("--mount", f"type=bind,source={relay.path.parent},target=/relay", "--publish", f"mode=host,target={API}"),
        image=IMAGE,
        command=("listener",),
    )
    ports = (option for port in (HTTP, HTTPS, API) for option in ("--publish", f"mode=host,target={port}"))
    swarm.create(
        names[1],
        *("--network", "proxy", "--replicas", "2", "--replicas-max-per-node", "1", *HARDENED, *QUICK, *SECRET, *ports),
        *("--env", f"LISTENER_ADDRESS={names[0]}", "--env", f"SERVICE_NAME={names[1]}"),
        image=IMAGE,
    )
    web = swarm.create(PLAIN, "--network", "proxy")
    proxy = Proxy(swarm, names[1])
    replicas = proxy.wait_for(2)
    assert {replica.node.name for replica in replicas} == {"node-1", "node-2"}
    web.wait_for(1)
    yield Site(swarm, relay, listener, proxy)
    for service in (proxy, listener, web):
        service.remove()


@pytest.fixture(autouse=True)
def nothing_kept(site: Site) -> Iterator[None]:
    """Nothing is kept when a test begins, nor when it has ended."""
    yield
    for path in (f"/v1/services/{PLAIN}", f"/v1/services/{BY_QUERY}", f"/v1/certificates/{CERTIFICATE}"):
        assert site.ask("DELETE", path).status in {200, 404}
    assert site.swarm.kept() == {}


def put(site: Site) -> Answer:
    """Declare a service by its labels."""
    labels = {"servicePath": "/demo", "port": "8080"}
    return site.ask("PUT", f"/v1/services/{PLAIN}", json.dumps(labels))


def reconfigure(site: Site) -> Answer:
    """Declare a service as one did with Docker Flow Proxy."""
    query = {"serviceName": BY_QUERY, "servicePath": "/demo", "port": "8080", "outboundHostname": PLAIN}
    return site.ask("GET", f"{DFP}/reconfigure?{urlencode(query)}")


def delete(site: Site, name: str) -> Answer:
    """Undeclare a service."""
    return site.ask("DELETE", f"/v1/services/{name}")


def remove(site: Site, name: str) -> Answer:
    """Undeclare a service as one did with Docker Flow Proxy."""
    return site.ask("GET", f"{DFP}/remove?{urlencode({'serviceName': name})}")


@pytest.mark.parametrize(
    ("name", "declare", "undeclare"),
    [pytest.param(PLAIN, put, delete, id="service"), pytest.param(BY_QUERY, reconfigure, remove, id="reconfigure")],
)
def test_a_service_put_at_one_proxy_is_routed_by_all(
    site: Site, name: str, declare: Callable[[Site], Answer], undeclare: Callable[[Site, str], Answer]
) -> None:
    """It is in the Swarm and at both replicas, and nowhere once it is removed."""
    site.proxy.answers("/demo/hello", 503)
    began = time.monotonic()
    answer = declare(site)
    assert answer.status == 200, answer.body
    said = time.monotonic() - began
    assert len(site.proxy.answers("/demo/hello", 200)) == 2
    sys.stdout.write(f"{name}: answered after {said:.2f} s, both route it after {time.monotonic() - began:.2f} s\n")
    (text,) = site.kept(name)
    assert json.loads(text)["labels"]["com.df.servicePath"] == "/demo"

    answer = undeclare(site, name)
    assert answer.status == 200, answer.body
    assert len(site.proxy.answers("/demo/hello", 503)) == 2
    site.proxy.knows(name, known=False)
    assert site.kept(name) == []


def put_certificate(site: Site, issued: Issued, token: str | None = TOKEN) -> Answer:
    """Put a certificate as companions for Let's Encrypt do it."""
    return site.ask("PUT", f"{DFP}/cert?certName={CERTIFICATE}&distribute=true", issued.pem, token)


def test_a_certificate_put_at_one_proxy_is_shown_by_all(site: Site) -> None:
    """Also when it is replaced, as it is before it expires; in the Swarm it is not to be read."""
    authority = Authority.new()
    first, second = authority.issue(DOMAIN), authority.issue(DOMAIN)
    for issued in (first, second):
        began = time.monotonic()
        answer = put_certificate(site, issued)
        assert answer.status == 200, answer.body
        site.shows(issued)
        sys.stdout.write(f"{CERTIFICATE}: both show it after {time.monotonic() - began:.2f} s\n")
        assert_sealed(site, issued)

    answer = site.ask("DELETE", f"/v1/certificates/{CERTIFICATE}")
    assert answer.status == 200, answer.body
    eventually(lambda: second.serial not in site.shown())
    assert site.kept(CERTIFICATE) == []


def assert_sealed(site: Site, issued: Issued) -> None:
    """Nothing that is kept has a line of the certificate's key, or says that it is one."""
    (text,) = site.kept(CERTIFICATE)
    assert json.loads(text)["sealed"] is True
    key = issued.pem[issued.pem.index("-----BEGIN PRIVATE KEY-----") :]
    lines = [line for line in key.splitlines() if line and not line.startswith("-----")]
    assert len(lines) > 1
    assert not any(line in text for line in (*lines, "PRIVATE KEY", TOKEN))


def test_what_is_kept_outlives_everything(site: Site) -> None:
    """All proxies and the listener are started anew at once: services and certificates are where they were."""
    issued = Authority.new().issue(DOMAIN)
    for answer in (put(site), put_certificate(site, issued)):
        assert answer.status == 200, answer.body
    site.restart_all()
    assert len(site.proxy.answers("/demo/hello", 200)) == 2
    site.shows(issued)
    for answer in (delete(site, PLAIN), site.ask("DELETE", f"/v1/certificates/{CERTIFICATE}")):
        assert answer.status == 200, answer.body
    assert len(site.proxy.answers("/demo/hello", 503)) == 2
    assert issued.serial not in site.shown()


@pytest.mark.parametrize("token", ["wrong", None])
def test_without_the_token_nothing_changes(site: Site, token: str | None) -> None:
    """Neither routes nor certificates, neither here nor in the Swarm; what is kept stays."""
    issued = Authority.new().issue(DOMAIN)
    assert reconfigure(site).status == 200
    assert put_certificate(site, issued).status == 200
    kept = site.swarm.kept()
    labels = json.dumps({"servicePath": "/other", "port": "8080"})
    attempts = [
        site.ask("PUT", f"/v1/services/{PLAIN}", labels, token),
        site.ask("DELETE", f"/v1/services/{BY_QUERY}", token=token),
        site.ask("GET", f"{DFP}/reconfigure?serviceName={PLAIN}&servicePath=/other&port=8080", token=token),
        site.ask("GET", f"{DFP}/remove?serviceName={BY_QUERY}", token=token),
        site.ask("DELETE", f"/v1/certificates/{CERTIFICATE}", token=token),
        put_certificate(site, Authority.new().issue(DOMAIN), token),
    ]
    assert [attempt.status for attempt in attempts] == [403] * len(attempts)
    assert site.swarm.kept() == kept

    def as_before() -> None:
        assert len(site.proxy.answers("/demo/hello", 200, within=0)) == 2
        assert len(site.proxy.answers("/other", 503, within=0)) == 2
        assert site.shown() == [issued.serial] * 2

    steadily(as_before, during=1)


def test_the_listener_asks_no_more_of_docker_than_is_documented(site: Site) -> None:
    """After everything that a listener can do was done, the documentation lists just what Docker was asked."""
    assert put(site).status == 200
    assert delete(site, PLAIN).status == 200
    (listener,) = site.listener.containers
    assert listener.get("/v1/docker-flow-swarm-listener/get-nodes", target=API).status == 200
    asked = {re.sub(r"(?<=DELETE /configs/)\w+$", "{id}", line.partition("?")[0]) for line in site.relay.requests()}
    section = (ROOT / "docs/api.md").read_text().split("## What is asked of the Docker API")[1]
    documented = set(re.findall(r"^\| `([A-Z]+ \S+)` \|", section, re.MULTILINE))
    assert asked == documented
