"""``swarmgate proxy`` on a stack file: what a user sees through HAProxy, in the API and in the log."""

import asyncio
import os
import signal
import threading
from pathlib import Path

import httpx
import pytest
from haproxy.loopback import Slowness, http_server, until_refused
from roles.conftest import MakeProxy
from roles.processes import Proxy, eventually, plain, put


@pytest.fixture
def proxy(make_proxy: MakeProxy, binary: Path, stack_file: Path, backend: int) -> Proxy:
    """A ready proxy with one service ``web`` at ``/web``."""
    put(stack_file, {"web": plain(backend, "/web")})
    made = make_proxy(binary, "--stack-file", str(stack_file))
    eventually(made.ready, "the proxy is ready")
    return made


def test_routes_to_the_service_and_to_nothing_else(proxy: Proxy) -> None:
    """A request for the path is answered by the service, any other with 503."""
    assert proxy.through("/web/hello").text == "hello, world!"
    assert proxy.status("/other") == 503


def test_a_new_service_is_live_soon_and_by_runtime_commands_where_haproxy_can(
    proxy: Proxy, stack_file: Path, backend: int
) -> None:
    """HAProxy 3.4 takes a new service without a reload, an older one with exactly one."""
    put(stack_file, {"web": plain(backend, "/web"), "shop": plain(backend, "/shop")})

    eventually(lambda: proxy.status("/shop") == 200, "the new service answers")
    eventually(lambda: proxy.condition("shop", "Programmed").get("status") == "True", "it is said to be programmed")
    assert proxy.reloads == (0 if "3.4" in proxy.environment["HAPROXY_BINARY"] else 1)
    assert proxy.metric("swarmgate_change_to_programmed_seconds_count") == 1


def test_changed_labels_change_the_route_without_a_reload(proxy: Proxy, stack_file: Path, backend: int) -> None:
    """A changed path or domain is a changed map entry, whatever the version."""
    put(stack_file, {"web": plain(backend, "/site,/www", serviceDomain="a.com,*.b.com")})

    eventually(lambda: proxy.status("/www", Host="A.com:80") == 200, "the new route answers")
    eventually(lambda: proxy.status("/web", Host="a.com") == 503, "the former one is gone")
    assert proxy.status("/site", Host="x.b.com.") == 200
    assert proxy.status("/www") == 503
    assert proxy.reloads == 0


def test_a_removed_service_is_gone_and_the_log_says_how(proxy: Proxy, stack_file: Path, backend: int) -> None:
    """The log of a removal names the service, what was removed, and how HAProxy was updated."""
    put(stack_file, {"other": plain(backend, "/other")})

    eventually(lambda: proxy.status("/web") == 503, "the route is gone")
    line = eventually(
        lambda: next((line for line in proxy.words().splitlines() if "Service removed" in line), ""), "it is logged"
    )
    assert '"service": "web"' in line
    assert f'"backends": ["web-be{backend}_0"]' in line
    assert '"routes": ["/web"]' in line
    assert '"haproxy_updated_by"' in line


def test_a_bad_label_is_told_once_and_hurts_nobody_else(proxy: Proxy, stack_file: Path, backend: int) -> None:
    """It is in the log once, in the API and in a metric, with the label, the value and what is allowed."""
    put(stack_file, {"web": plain(backend, "/web"), "bad": {"notify": True, "servicePath": "/x", "port": "80x"}})

    fact = eventually(lambda: proxy.condition("bad", "Accepted"), "the bad service is in the API")
    assert fact["status"] == "False"
    assert fact["reason"] == "InvalidLabel"
    assert fact["message"] == "com.df.port='80x' is not a whole number; allowed: a port number from 1 to 65535"
    assert proxy.metric("swarmgate_services", condition="Accepted", reason="InvalidLabel", status="False") == 1
    put(stack_file, {"web": plain(backend, "/web,/w"), "bad": {"notify": True, "servicePath": "/x", "port": "80x"}})
    eventually(lambda: proxy.status("/w") == 200, "the others go on being changed")
    assert proxy.words().count("is not a whole number") == 1


def test_a_label_that_only_haproxy_can_refuse_costs_its_service_alone(
    proxy: Proxy, stack_file: Path, backend: int
) -> None:
    """HAProxy's own words become the condition's message, and the others are programmed in the same round."""
    refused = plain(backend, "/r", reqPathSearchReplace="(?u)/x,/y")
    put(stack_file, {"web": plain(backend, "/web"), "refused": refused, "new": plain(backend, "/new")})

    eventually(lambda: proxy.status("/new") == 200, "the service beside it is live")
    fact = eventually(lambda: proxy.condition("refused", "Programmed"), "the refused one is in the API")
    assert fact["reason"] == "ConfigRejected"
    assert "regex" in fact["message"]
    assert proxy.status("/web") == 200
    assert "frontend services" not in proxy.words()  # the whole configuration, which nobody wants to see unasked

    put(stack_file, {"web": plain(backend, "/web"), "refused": plain(backend, "/r"), "new": plain(backend, "/new")})
    eventually(lambda: proxy.status("/r") == 200, "the mended one comes back by itself")


def test_a_broken_stack_file_changes_nothing(proxy: Proxy, stack_file: Path, backend: int) -> None:
    """The last good world stays in force until the file can be read again."""
    stack_file.write_text("services: [", encoding="utf-8")
    eventually(lambda: "stack.yml" in proxy.words(), "the file's fault is told")
    assert proxy.status("/web") == 200

    put(stack_file, {"web": plain(backend, "/mended")})
    eventually(lambda: proxy.status("/mended") == 200, "the mended file is in force")


def test_users_are_asked_for_their_password(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, backend: int
) -> None:
    """The proxy's users guard every service; a service's own replace them."""
    put(stack_file, {"web": plain(backend, "/web"), "own": plain(backend, "/own", users="ann:secret")})
    proxy = make_proxy(newest, "--stack-file", str(stack_file), USERS="bob:b'ob \"%[x]#$")
    eventually(proxy.ready, "the proxy is ready")

    refused = proxy.through("/web")
    assert refused.status_code == 401
    assert refused.headers["WWW-Authenticate"] == 'Basic realm="defaultRealm"'
    url = f"http://127.0.0.1:{proxy.http}"
    assert httpx.get(f"{url}/web", auth=("bob", "b'ob \"%[x]#$")).status_code == 200
    assert httpx.get(f"{url}/own", auth=("bob", "b'ob \"%[x]#$")).status_code == 401
    assert httpx.get(f"{url}/own", auth=("ann", "secret")).status_code == 200


@pytest.mark.fault("controller", "it is killed while the world changes")
def test_a_killed_controller_is_not_missed_and_the_next_one_adopts(
    proxy: Proxy, stack_file: Path, backend: int
) -> None:
    """HAProxy goes on serving; the next controller finds it as it is and has nothing to do."""
    master = proxy.master
    proxy.send(signal.SIGKILL)
    assert proxy.status("/web") == 200

    put(stack_file, {"web": plain(backend, "/web"), "late": plain(backend, "/late")})
    proxy.start()
    eventually(lambda: proxy.status("/late") == 200, "what was missed is caught up with")
    assert eventually(lambda: proxy.master, "the master answers (while it reloads, it does not)") == master

    proxy.send(signal.SIGKILL)
    proxy.start()
    eventually(proxy.ready, "the third controller is ready")
    assert proxy.metric("swarmgate_reconcile_total", outcome="noop") == 1
    assert proxy.reloads == 0
    assert eventually(lambda: proxy.master, "the master answers") == master


def test_a_killed_haproxy_is_started_again(proxy: Proxy) -> None:
    """Nobody has to notice but the controller."""
    master = proxy.master
    os.kill(master, signal.SIGKILL)

    eventually(lambda: proxy.master not in (0, master), "another HAProxy runs")
    eventually(lambda: proxy.status("/web") == 200, "it serves")


def test_sigterm_drains(proxy: Proxy, stack_file: Path) -> None:
    """A request that is being answered is answered to its end, and no other is taken; then everything is gone."""
    answers: list[str] = []
    slowness = Slowness()
    with http_server("drained", slowness) as backend:
        put(stack_file, {"web": plain(backend, "/web")})
        eventually(lambda: proxy.through("/web").text == "drained", "it is asked")
        asking = threading.Thread(target=lambda: answers.append(proxy.through("/web/slow").text))
        asking.start()
        asyncio.run(slowness.until_asked())

        assert proxy.process is not None
        proxy.process.send_signal(signal.SIGTERM)
        asyncio.run(until_refused(proxy.http))
        slowness.let_go()
        asking.join()
        assert answers == ["drained"]
        assert proxy.process.wait(20) == 0
    assert proxy.master == 0


def test_a_second_controller_on_the_same_state_is_refused(
    proxy: Proxy, make_proxy: MakeProxy, stack_file: Path
) -> None:
    """Two would undo each other's work."""
    second = make_proxy(Path(proxy.environment["HAPROXY_BINARY"]), "--stack-file", str(stack_file))
    second.send(signal.SIGKILL)
    second.arguments = proxy.arguments
    second.start()

    assert second.process is not None
    assert second.process.wait(20) == 1
    assert "Another controller" in second.words()
    assert proxy.status("/web") == 200


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        pytest.param({"TIMEOUT_CONNECT": "soon"}, "TIMEOUT_CONNECT", id="no number"),
        pytest.param({"STATS_USER": "ann"}, "STATS_USER and STATS_PASS", id="half a pair"),
        pytest.param({"HAPROXY_BINARY": "/nowhere"}, "HAPROXY_BINARY", id="no HAProxy"),
    ],
)
def test_a_wrong_variable_stops_the_start_with_its_name(
    make_proxy: MakeProxy, newest: Path, stack_file: Path, environment: dict[str, str], words: str
) -> None:
    """Nothing runs with settings that were not understood."""
    put(stack_file, {})
    proxy = make_proxy(newest, "--stack-file", str(stack_file), **{"HAPROXY_BINARY": str(newest), **environment})

    assert proxy.process is not None
    assert proxy.process.wait(20) == 78
    assert words in proxy.words()
    assert "Traceback" not in proxy.words()
