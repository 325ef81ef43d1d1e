"""What something that goes wrong is tried on: an engine, a listener and proxies, and what the operator is told."""

import re
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from fakes.fake_docker import FakeDocker
from faults.clients import BODY
from haproxy.loopback import http_server
from roles.processes import Proxy, Role, Services, eventually, plain, put, running

TOKEN = "between us"


@dataclass(frozen=True)
class Told:
    """What the mark ``fault`` of a test says that the operator sees; what it does not name is empty.

    ``log`` and ``ready`` are words that are in the log and in the message of ``/readyz``, ``condition`` is a reason of
    a condition of any service, ``metric`` a sample that is not 0.
    """

    log: str = ""
    ready: str = ""
    condition: str = ""
    metric: str = ""

    def missing(self, role: Role) -> list[str]:
        """Return what of it a role does not tell."""
        sees: dict[str, Callable[[], bool]] = {
            "log": lambda: self.log in role.words(),
            "ready": lambda: self.ready in role.get("/readyz").text.replace('\\"', '"'),
            "condition": lambda: f'"{self.condition}"' in role.get("/v1/services").text,
            "metric": lambda: _sample(role, self.metric) > 0,
        }
        return [each.name for each in fields(self) if getattr(self, each.name) and not sees[each.name]()]

    def __call__(self, role: Role) -> None:
        """Wait until a role tells all of it."""
        try:
            eventually(lambda: not self.missing(role), f"{self} is told")
        except AssertionError as error:
            error.add_note(f"{role.get('/readyz').text}\n{role.words()[-2000:]}")
            raise


def _sample(role: Role, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", role.get("/metrics").text, re.MULTILINE)
    return float(found[1]) if found else 0.0


@pytest.fixture
def told(request: pytest.FixtureRequest) -> Told:
    """What the operator is to be told in this test."""
    mark = request.node.get_closest_marker("fault")
    names = {each.name for each in fields(Told)}
    return Told(**{name: words for name, words in mark.kwargs.items() if name in names})


@pytest.fixture(scope="session")
def newest() -> Path:
    """The HAProxy of the image."""
    return haproxy_binary(VERSIONS[-1])


@pytest.fixture(scope="session")
def origin() -> Iterator[int]:
    """The port of the service that everybody asks for."""
    with http_server(BODY) as port:
        yield port


@pytest.fixture(scope="module")
def home() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="sgx-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@dataclass
class Site:
    """Starts roles that are gone afterwards, each below a folder of its own; ``port`` is that of the service."""

    home: Path
    binary: Path
    port: int
    cleaning: ExitStack
    made: int = 0

    def proxy(self, *arguments: str, forks: bool = True, prefix: tuple[str, ...] = (), **environment: str) -> Proxy:
        """Start a proxy."""
        self.made += 1
        home = self.home / f"p{self.made}"
        home.mkdir()
        proxy = Proxy(
            ["proxy", "--state-dir", f"{home}/state", "--run-dir", f"{home}/run", *arguments],
            {"HAPROXY_BINARY": str(self.binary), "LISTENER_TOKEN": TOKEN} | environment,
            home / "log",
            home=home,
            forks=forks,
            prefix=prefix,
        )
        self.cleaning.enter_context(running(proxy, home))
        proxy.start()
        return proxy

    def listener(
        self, docker_host: str, *, forks: bool = True, prefix: tuple[str, ...] = (), **environment: str
    ) -> Role:
        """Start a listener."""
        self.made += 1
        home = self.home / f"l{self.made}"
        home.mkdir()
        role = Role(
            ["listener"],
            {"DOCKER_HOST": docker_host, "LISTENER_TOKEN": TOKEN} | environment,
            home / "log",
            forks=forks,
            prefix=prefix,
        )
        self.cleaning.enter_context(running(role, home))
        role.start()
        return role

    def labels(self, path: str, **more: str) -> dict[str, str]:
        """Return the labels of the service at a path."""
        own = {"notify": "true", "servicePath": path, "port": str(self.port), "outboundHostname": "127.0.0.1"}
        return {f"com.df.{name}": value for name, value in (own | more).items()}

    def engine(self, *names: str) -> FakeDocker:
        """Start an engine with services, each at the path that is its name."""
        self.made += 1
        engine = self.cleaning.enter_context(FakeDocker(self.home / f"e{self.made}.sock"))
        for name in names:
            engine.add_service(name, self.labels(f"/{name}"))
        return engine


@pytest.fixture(scope="module")
def lasting(home: Path, newest: Path, origin: int) -> Iterator[Site]:
    """A site for all tests of a module."""
    with ExitStack() as cleaning:
        yield Site(home, newest, origin, cleaning)


@pytest.fixture
def site(folder: Path, newest: Path, origin: int) -> Iterator[Site]:
    """A site for one test."""
    with ExitStack() as cleaning:
        yield Site(folder, newest, origin, cleaning)


@pytest.fixture
def services(site: Site) -> Services:
    """The services that are in the stack file at first."""
    return {"web": plain(site.port, "/web")}


@pytest.fixture
def stack_file(site: Site, services: Services) -> Path:
    """The stack file of all proxies."""
    path = site.home / "stack.yml"
    put(path, services)
    return path
