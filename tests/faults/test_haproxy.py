"""HAProxy goes wrong, or what the controller has to do with it."""

import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from fakes.relay import Mode, relaying
from faults.clients import Clients
from faults.conftest import Site, Told
from roles.processes import Proxy, Services, eventually, plain, put

pytestmark = pytest.mark.haproxy


def ready(site: Site, stack_file: Path, binary: Path | None = None) -> Proxy:
    """Return a ready proxy."""
    proxy = site.proxy("--stack-file", str(stack_file), HAPROXY_BINARY=str(binary or site.binary))
    eventually(proxy.ready, "the proxy is ready")
    return proxy


def worker(proxy: Proxy) -> int:
    """Return the process id of HAProxy's worker; 0 if there is none."""
    children = subprocess.run(["pgrep", "-P", str(proxy.master)], capture_output=True, text=True, check=False)
    return int(children.stdout.split()[0]) if children.stdout.split() else 0


@pytest.mark.parametrize(
    "which",
    [
        pytest.param(
            "worker",
            marks=pytest.mark.fault(
                "haproxy",
                "its worker is killed",
                lost="what that replica was answering; for a moment it is refused there, and answered by the others",
                log="HAProxy's worker is gone",
                metric='swarmgate_reconcile_total{outcome="start"}',
            ),
        ),
        pytest.param(
            "master",
            marks=pytest.mark.fault(
                "haproxy",
                "its master is killed",
                lost="as above",
                log="HAProxy's worker is gone",
                metric='swarmgate_reconcile_total{outcome="start"}',
            ),
        ),
    ],
)
def test_it_is_killed(site: Site, stack_file: Path, told: Told, which: str) -> None:
    """It is started anew at once; meanwhile another replica has the answers."""
    one, two = ready(site, stack_file), ready(site, stack_file)
    with Clients(one.http, two.http) as clients:
        before = worker(one)
        os.kill(before if which == "worker" else one.master, signal.SIGKILL)
        clients.until(lambda: worker(one) not in {0, before} and one.status("/web") == 200, "another one serves")
        told(one)
        missed = clients.missed
        clients.go_on()
        assert clients.missed == missed


@contextmanager
def between(proxy: Proxy, mode: Mode) -> Iterator[None]:
    """Have something between the controller and HAProxy's runtime socket."""
    socket = proxy.home / "run" / "runtime.sock"
    moved = socket.with_suffix(".moved")
    socket.rename(moved)
    with relaying(socket, moved) as relay:
        relay.mode = mode
        yield
    moved.replace(socket)


@pytest.mark.parametrize(
    "mode",
    [
        pytest.param(
            "silent",
            marks=pytest.mark.fault(
                "haproxy",
                "its runtime socket hangs",
                log="HAProxy did not answer on its runtime socket within",
                metric='swarmgate_reconcile_total{outcome="failed"}',
            ),
        ),
        pytest.param(
            "cut",
            marks=pytest.mark.fault(
                "haproxy",
                "its runtime socket breaks in the middle of an answer",
                log="HAProxy hung up on its runtime socket",
                metric='swarmgate_reconcile_total{outcome="failed"}',
            ),
        ),
        pytest.param(
            "garbage",
            marks=pytest.mark.fault(
                "haproxy",
                "its runtime socket answers nonsense",
                log="on its runtime socket",
                metric='swarmgate_reconcile_total{outcome="failed"}',
            ),
        ),
    ],
)
def test_its_runtime_socket(site: Site, stack_file: Path, services: Services, told: Told, mode: Mode) -> None:
    """What runs goes on; a change waits until it can be told."""
    proxy = ready(site, stack_file)
    with Clients(proxy.http) as clients:
        with between(proxy, mode):
            put(stack_file, services | {"late": plain(site.port, "/late")})
            told(proxy)
            clients.go_on()
        clients.until(lambda: proxy.status("/late") == 200, "the change is carried out")
    assert proxy.reloads == 0


_WITH_MORE = """#!/bin/sh
# HAProxy with one file more, about which it is not asked before it loads it.
case " $* " in *" -c "*) exec BINARY "$@" ;; esac
exec BINARY "$@" -f MORE
"""


@pytest.mark.fault(
    "haproxy",
    "it refuses to load what it had found good",
    log="HAProxy does not load a configuration that it found good",
    condition="ApplyFailed",
    metric='swarmgate_reconcile_total{outcome="failed"}',
)
def test_it_refuses_a_reload(site: Site, stack_file: Path, services: Services, told: Told) -> None:
    """The former worker goes on, with its files; the reload is tried again."""
    more = site.home / "more.cfg"
    more.write_text("")
    binary = site.home / "haproxy"
    binary.write_text(_WITH_MORE.replace("BINARY", str(site.binary)).replace("MORE", str(more)))
    binary.chmod(0o755)
    proxy = ready(site, stack_file, binary)
    changed = services | {"late": plain(site.port, "/late", setReqHeader="X-Set one")}
    with Clients(proxy.http) as clients:
        more.write_text("nonsense\n")
        put(stack_file, changed)
        told(proxy)
        clients.go_on()
        config = proxy.home / "state" / "haproxy" / "current" / "haproxy.cfg"
        assert "late-be" not in config.read_text()
        more.write_text("")
        clients.until(lambda: proxy.status("/late") == 200, "it is loaded")
