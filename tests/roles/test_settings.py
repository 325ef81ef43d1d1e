"""What variables do to ``swarmgate proxy`` as a process: its output, and whether it starts."""

import re
from pathlib import Path

import pytest
from roles.conftest import MakeProxy
from roles.processes import eventually, plain, stack


@pytest.fixture
def stack_file(folder: Path, backend: int) -> str:
    """A stack file with one service ``web`` at ``/web``."""
    path = folder / "stack.yml"
    path.write_text(stack({"web": plain(backend, "/web")}), encoding="utf-8")
    return str(path)


def test_requests_and_variables_without_effect_are_logged(make_proxy: MakeProxy, binary: Path, stack_file: str) -> None:
    """With ``DEBUG``, on the standard output of the process; useless variables once, with the reason."""
    useless = {"MODE": "swarm", "REPEAT_RELOAD": "true", "RELOAD_INTERVAL": "5000"}
    options = {"DEBUG": "true", "DEBUG_HTTP_FORMAT": '"%ci asked for %HU"'}
    proxy = make_proxy(binary, "--stack-file", stack_file, **options, **useless)
    eventually(proxy.ready, "the proxy is ready")
    assert proxy.status("/web/one") == 200
    eventually(lambda: "127.0.0.1 asked for /web/one\n" in proxy.words(), "the request is logged")
    assert proxy.words().count(" asked for ") == 1
    notices = [line for line in proxy.words().splitlines() if "A variable has no effect" in line]
    assert sorted(re.findall(r'"variable": "(\w+)"', "".join(notices))) == ["MODE", "REPEAT_RELOAD"]
    assert '"instead": "remove it"' in notices[0]


def test_a_variable_that_haproxy_refuses_is_named_and_shown(
    make_proxy: MakeProxy, newest: Path, stack_file: str
) -> None:
    """It stops the start; the configuration is in the log if it is wanted there, without passwords."""
    options = {"DEBUG": "true", "DEBUG_HTTP_FORMAT": "%[nope]", "STATS_USER": "ann", "STATS_PASS": "hunter2"}
    proxy = make_proxy(newest, "--stack-file", stack_file, DISPLAY_CONFIG_ON_ERROR="true", **options)
    assert proxy.process is not None
    assert proxy.process.wait(20) == 78
    assert "see the variable DEBUG_HTTP_FORMAT" in proxy.words()
    assert "log-format '%[nope]'" in proxy.words()
    assert "stats auth (hidden)" in proxy.words()
    assert "hunter2" not in proxy.words()


def test_an_interface_that_is_not_there_stops_the_start(make_proxy: MakeProxy, newest: Path, stack_file: str) -> None:
    """HAProxy would listen on all of them."""
    proxy = make_proxy(newest, "--stack-file", stack_file, BIND_PORTS="8443 interface nope0:ssl")
    assert proxy.process is not None
    assert proxy.process.wait(20) == 78
    assert "the variable BIND_PORTS (or secret dfp_bind_ports): 8443 interface nope0:ssl names" in proxy.words()
