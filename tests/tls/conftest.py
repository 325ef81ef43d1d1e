"""Proxies that speak TLS, with a folder of certificates each."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from binaries import VERSIONS, haproxy_binary
from haproxy.loopback import free_port
from roles.conftest import MakeProxy, backend, make_proxy
from roles.processes import Proxy, eventually, plain, stack
from tls.authorities import Authority, Issued

from controller.haproxy.dataplane import HAProxyDataplane

__all__ = ["backend", "make_proxy"]


@dataclass
class Site:
    """A running proxy, the port on which it speaks TLS, and what it reads."""

    running: Proxy | None
    https: int
    certs: Path
    stack_file: Path

    @property
    def proxy(self) -> Proxy:
        """The proxy, which has been started."""
        assert self.running is not None
        return self.running

    def put(self, name: str, content: Issued | str) -> None:
        """Put a file into the folder of certificates, in one step."""
        fresh = self.certs.parent / "fresh"
        (self.certs / name).parent.mkdir(exist_ok=True)
        fresh.write_text(content if isinstance(content, str) else content.pem)
        fresh.replace(self.certs / name)

    def services(self, services: "Services") -> None:
        """Replace the services."""
        fresh = self.stack_file.with_suffix(".new")
        fresh.write_text(stack(services))
        fresh.replace(self.stack_file)

    def certificates(self) -> dict[str, dict[str, Any]]:
        """Return what the API says of each certificate."""
        return {each["certificate"]: each for each in self.proxy.get("/v1/certificates").json()}


Services = dict[str, dict[str, object]]
MakeSite = Callable[..., Site]


@pytest.fixture(scope="session")
def authority() -> Authority:
    """One authority for all tests."""
    return Authority.new()


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
def binary(request: pytest.FixtureRequest) -> Path:
    """Each HAProxy in turn."""
    return haproxy_binary(str(request.param))


@pytest.fixture
async def dataplane(binary: Path, folder: Path) -> AsyncIterator[HAProxyDataplane]:
    """A HAProxy that does not run yet, and does not run any more after the test."""
    made = HAProxyDataplane(binary, state_dir=folder / "state", run_dir=folder / "run", load_limit=20)
    yield made
    made.close()
    await made.process.stop()


@pytest.fixture
def make_site(make_proxy: MakeProxy, binary: Path, folder: Path, backend: int) -> MakeSite:
    """Make a proxy with these certificates and one service ``web`` at ``/web``, and wait until it is ready."""

    def make(certificates: dict[str, Issued | str], services: Services | None = None, **environment: str) -> Site:
        http, https, certs = free_port(), free_port(), folder / "certs"
        certs.mkdir()
        stack_file = folder / "stack.yml"
        site = Site(None, https, certs, stack_file)
        site.services({"web": plain(backend, "/web")} if services is None else services)
        for name, content in certificates.items():
            site.put(name, content)
        ports = {"DEFAULT_PORTS": f"{http},{https}:ssl", "CERTS_DIR": str(certs), **environment}
        site.running = make_proxy(binary, "--stack-file", str(stack_file), **ports)
        site.proxy.http = http
        eventually(site.proxy.ready, "the proxy is ready")
        return site

    return make
