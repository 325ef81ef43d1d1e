"""A proxy on a stack file, and two proxies behind a listener, each started once for all tests of a module."""

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from fakes.fake_docker import FakeDocker
from haproxy.loopback import http_server
from roles.processes import STARTED, Proxy, Role, eventually, plain, running, stack

TOKEN = "between us"
API_TOKEN = "may change things"


@dataclass
class Site:
    """A running proxy and the stack file that it follows; ``port`` is that of a service on this machine."""

    proxy: Proxy
    file: Path
    port: int
    services: dict[str, dict[str, object]] = field(default_factory=dict)

    def put(self, name: str, path: str = "", /, **labels: object) -> None:
        """Add or change a service; without a path the labels are all it has."""
        base = plain(self.port, path) if path else {"notify": True}
        self.services[name] = base | labels
        self.write()

    def drop(self, *names: str) -> None:
        """Remove services."""
        for name in names:
            del self.services[name]
        self.write()

    def write(self) -> None:
        """Replace the stack file in one step."""
        fresh = self.file.with_suffix(".new")
        fresh.write_text(stack(self.services), encoding="utf-8")
        fresh.replace(self.file)

    def answers(self, path: str, status: int = 200) -> None:
        """Wait for an answer."""
        eventually(lambda: self.proxy.status(path) == status, f"{path} is answered with {status}")

    def told(self, name: str, reason: str) -> str:
        """Wait for a reason in a service's conditions, and return its message."""
        return str(eventually(lambda: self.messages(name).get(reason), f"{name} is told {reason}"))

    def messages(self, name: str) -> Mapping[str, str]:
        """Return the messages of a service's conditions by their reasons."""
        answer = self.proxy.get(f"/v1/services/{name}")
        facts = answer.json()["conditions"] if answer.is_success else []
        return {fact["reason"]: fact["message"] or "-" for fact in facts}


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="sgf-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="module")
def origin() -> Iterator[int]:
    """The port of a small HTTP service on this machine."""
    with http_server("hello, world!") as port:
        yield port


def start_proxy(cleaning: ExitStack, home: Path, *arguments: str, **environment: str) -> Proxy:
    """Start a proxy with the newest HAProxy."""
    home.mkdir()
    proxy = Proxy(
        ["proxy", "--state-dir", f"{home}/state", "--run-dir", f"{home}/run", *arguments],
        {"HAPROXY_BINARY": str(haproxy_binary(VERSIONS[-1]))} | environment,
        home / "log",
        home=home,
    )
    cleaning.enter_context(running(proxy, home))
    proxy.start()
    return proxy


@pytest.fixture(scope="module")
def site(home: Path, origin: int) -> Iterator[Site]:
    """A ready proxy with a good service ``good``, and beside it one that was bad from the start, ``bad``."""
    with ExitStack() as cleaning:
        site = Site(Proxy([], {}, home / "none"), home / "stack.yml", origin)
        site.put("good", "/good")
        site.put("bad", "/bad", backendExtra="timeout server soon")
        site.proxy = start_proxy(cleaning, home / "p", "--stack-file", str(site.file))
        eventually(site.proxy.ready, "the proxy is ready")
        yield site


@dataclass
class Swarm:
    """An engine, the listener on it, and the proxies behind that; ``port`` is that of a service on this machine."""

    docker: FakeDocker
    listener: Role
    proxies: list[Proxy]
    port: int

    def publish(self, name: str, **labels: str) -> None:
        """Create a service at ``/<name>``, unless its labels say otherwise."""
        plain_ = {"servicePath": f"/{name}", "port": str(self.port), "outboundHostname": "127.0.0.1", "notify": "true"}
        self.docker.add_service(name, {f"com.df.{label}": value for label, value in (plain_ | labels).items()})

    def answer(self, path: str, status: int = 200) -> None:
        """Wait for an answer of every proxy, which may be starting."""
        for proxy in self.proxies:
            told = f"{path} is answered with {status}"
            eventually(lambda proxy=proxy: proxy.status(path) == status, told, within=STARTED)


@pytest.fixture(scope="module")
def swarm(home: Path, origin: int) -> Iterator[Swarm]:
    """Two proxies that were started before their listener."""
    with ExitStack() as cleaning:
        docker = cleaning.enter_context(FakeDocker())
        environment = {"DOCKER_HOST": docker.docker_host, "LISTENER_TOKEN": TOKEN, "API_TOKEN": API_TOKEN}
        listener = Role(["listener"], environment, home / "listener.log")
        cleaning.enter_context(running(listener, home / "none"))
        following = ("--listener-address", f"127.0.0.1:{listener.api}")
        proxies = [
            start_proxy(cleaning, home / name, *following, LISTENER_TOKEN=TOKEN, API_TOKEN=API_TOKEN)
            for name in ("one", "two")
        ]
        yield Swarm(docker, listener, proxies, origin)
