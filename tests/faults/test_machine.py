"""The machine goes wrong: its disk, its clock, its power, and what is on it."""

import os
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from faults.clients import Clients
from faults.clocks import Clocks
from faults.conftest import Site, Told
from haproxy.loopback import free_port
from roles.processes import STARTED, Proxy, Services, eventually, plain, put
from tls.authorities import Authority
from tls.clients import shown

pytestmark = pytest.mark.haproxy

HOUR = 3600.0
LARGE = ",".join(f"/large/{number:05}" for number in range(9_000))
"""Paths that take more on the disk than a full one has left."""
LEFT = 100_000
"""Bytes that a file may have on a disk that is full. The log, which is on the same disk here, stays below that."""


@pytest.fixture
def proxy(site: Site, stack_file: Path) -> Proxy:
    """A ready proxy."""
    made = site.proxy("--stack-file", str(stack_file))
    eventually(made.ready, "the proxy is ready")
    return made


@contextmanager
def full_disk(proxy: Proxy) -> Iterator[None]:
    """Have the controller unable to write more than a little."""
    assert proxy.process is not None
    _, hard = before = resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, (LEFT, hard))
    yield
    resource.prlimit(proxy.process.pid, resource.RLIMIT_FSIZE, before)


@pytest.mark.fault(
    "machine",
    "its disk is full",
    log="Cannot write HAProxy's files, or run it",
    condition="ApplyFailed",
    metric='swarmgate_reconcile_total{outcome="failed"}',
)
def test_the_disk_is_full(proxy: Proxy, stack_file: Path, services: Services, site: Site, told: Told) -> None:
    """A change that cannot be written is not made; it is as soon as there is room, and nothing is left lying about."""
    generations = proxy.home / "state" / "haproxy" / "generations"
    with Clients(proxy.http) as clients:
        with full_disk(proxy):
            put(stack_file, services | {"large": plain(site.port, LARGE)})
            told(proxy)
            tried = proxy.metric("swarmgate_reconcile_total", outcome="failed")
            clients.until(
                lambda: proxy.metric("swarmgate_reconcile_total", outcome="failed") > tried, "it is tried again"
            )
            assert len([*generations.iterdir()]) <= 2
        clients.until(lambda: proxy.status("/large/00007") == 200, "the change is carried out")
    assert "Traceback" not in proxy.words()


AS_OTHERS = ("setpriv", "--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-all") if os.getuid() == 0 else ()
"""Starts a command for which the permissions of files count, as they do not for root."""


@pytest.mark.fault(
    "machine",
    "the folder of its state becomes read-only",
    log="Cannot write HAProxy's files, or run it",
    condition="ApplyFailed",
    metric='swarmgate_reconcile_total{outcome="failed"}',
)
def test_the_state_is_read_only(site: Site, stack_file: Path, services: Services, told: Told) -> None:
    """A change waits until it can be written."""
    proxy = site.proxy("--stack-file", str(stack_file), forks=False, prefix=AS_OTHERS)
    eventually(proxy.ready, "the proxy is ready", within=STARTED)
    folder = proxy.home / "state" / "haproxy" / "generations"
    with Clients(proxy.http) as clients:
        folder.chmod(0o500)
        put(stack_file, services | {"late": plain(site.port, "/late")})
        told(proxy)
        clients.go_on()
        folder.chmod(0o700)
        clients.until(lambda: proxy.status("/late") == 200, "the change is carried out")
    assert "Traceback" not in proxy.words()


@pytest.mark.fault(
    "machine",
    "a certificate in its folder cannot be parsed any more",
    log="what it held before stays in force",
    metric="swarmgate_certificates_rejected",
)
def test_a_certificate_is_damaged(site: Site, stack_file: Path, services: Services, told: Told) -> None:
    """The former one goes on being shown, and changes go on, until there is one that can be read."""
    authority, https = Authority.new(), free_port()
    first, second = authority.issue("shop.example"), authority.issue("shop.example")
    (site.home / "certs").mkdir()
    file = site.home / "certs" / "shop.pem"
    file.write_text(first.pem)
    proxy = site.proxy("--stack-file", str(stack_file), CERTS_DIR=str(file.parent), BIND_PORTS=f"{https}:ssl")
    eventually(proxy.ready, "the proxy is ready")
    with Clients(proxy.http) as clients:
        file.write_text(second.pem[:200])
        told(proxy)
        put(stack_file, services | {"late": plain(site.port, "/late")})
        clients.until(lambda: proxy.status("/late") == 200, "changes go on")
        assert shown(https, "shop.example") == first.serial
        file.write_text(second.pem)
        clients.until(lambda: shown(https, "shop.example") == second.serial, "the mended one is shown")


@pytest.mark.parametrize(
    ("monotonic", "wall"),
    [
        pytest.param(0, -24 * HOUR, marks=pytest.mark.fault("machine", "its clock is put back by a day")),
        pytest.param(0, 24 * HOUR, marks=pytest.mark.fault("machine", "its clock is put on by a day")),
        pytest.param(8 * HOUR, 8 * HOUR, marks=pytest.mark.fault("machine", "it sleeps for a night")),
    ],
)
def test_the_clock_jumps(site: Site, stack_file: Path, services: Services, monotonic: float, wall: float) -> None:
    """Nothing waits for a time that has passed, or has yet to come again."""
    clocks = Clocks(site.home / "clocks")
    proxy = site.proxy("--stack-file", str(stack_file), forks=False, **clocks.environment)
    eventually(proxy.ready, "the proxy is ready", within=STARTED)
    with Clients(proxy.http) as clients:
        clocks.jump(monotonic=monotonic, wall=wall)
        put(stack_file, services | {"late": plain(site.port, "/late")})
        clients.until(lambda: proxy.status("/late") == 200, "a change is carried out")
        clocks.jump(monotonic=monotonic)
        put(stack_file, services | {"later": plain(site.port, "/later")})
        clients.until(lambda: proxy.status("/later") == 200, "another one, after the clock was put right")
    assert proxy.ready()
    assert proxy.reloads == 0
