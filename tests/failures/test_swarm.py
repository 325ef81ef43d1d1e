"""What went wrong in Docker Flow between the Swarm, its listener and the replicas of the proxy."""

import signal

import httpx
import pytest
from failures.conftest import API_TOKEN, Swarm
from roles.processes import STARTED, eventually


@pytest.fixture(autouse=True, scope="module")
def _started_late(swarm: Swarm) -> None:
    """F5: the listener comes after the proxies, which are neither ready nor given up on until then."""
    swarm.publish("early")
    for proxy in swarm.proxies:
        answer = eventually(lambda proxy=proxy: proxy.get("/readyz"), "the API answers")
        assert answer.status_code == 503
    swarm.listener.start()
    for proxy in swarm.proxies:
        eventually(proxy.ready, "the proxy is ready", within=STARTED)


@pytest.mark.fault("listener", "it starts after the proxies", lost="all until then, the proxies not being ready")
def test_f05_a_listener_that_comes_late_is_waited_for(swarm: Swarm) -> None:
    """F5: requests got 503 from a proxy that called itself healthy, or it gave up."""
    assert [proxy.status("/early") for proxy in swarm.proxies] == [200, 200]


@pytest.mark.fault("listener", "it is killed, and a service goes meanwhile")
def test_f06_what_went_while_the_listener_was_down_is_gone(swarm: Swarm) -> None:
    """F6: no removal was ever sent, and the route stayed until the proxy was restarted."""
    swarm.publish("leaving")
    swarm.answer("/leaving")
    swarm.listener.send(signal.SIGKILL)
    swarm.docker.remove_service("leaving")
    swarm.listener.start()
    swarm.answer("/leaving", 503)
    assert [proxy.status("/early") for proxy in swarm.proxies] == [200, 200]


def test_f07_a_service_that_opts_out_is_gone(swarm: Swarm) -> None:
    """F7: the change was not looked at, and the route stayed."""
    swarm.publish("quitting")
    swarm.answer("/quitting")
    swarm.docker.update_service("quitting", labels={"com.df.servicePath": "/quitting"})
    swarm.answer("/quitting", 503)


@pytest.mark.fault("docker", "its event stream says nothing any more")
def test_f08_a_silent_event_stream_is_not_relied_on(swarm: Swarm) -> None:
    """F8: nothing changed any more until somebody restarted the listener."""
    with swarm.docker.quietly():
        swarm.publish("unannounced")
    swarm.answer("/unannounced")


def test_f09_all_replicas_have_the_same(swarm: Swarm) -> None:
    """F9: a change missed the replica that DNS did not know yet, and each so-manieth request failed."""
    swarm.publish("everywhere")
    swarm.answer("/everywhere")
    states = eventually(
        lambda: [each for each in swarm.listener.get("/v1/replicas").json() if each["converged"]], "they say so"
    )
    assert len({each["conditions"] for each in states}) == 1


def test_f10_a_service_that_takes_long_to_start_is_waited_for(swarm: Swarm) -> None:
    """F10: it was announced fifty times, and then never again."""
    swarm.docker.add_service(
        "slow", {"com.df.notify": "true", "com.df.servicePath": "/slow", "com.df.port": "80"}, running=0
    )
    proxy = swarm.proxies[0]
    eventually(lambda: proxy.condition("slow", "ResolvedRefs").get("reason") == "NoRunningTasks", "it is told")
    swarm.docker.add_task("slow")
    eventually(lambda: proxy.condition("slow", "ResolvedRefs").get("reason") != "NoRunningTasks", "its task is seen")


def test_f14_many_changes_cost_no_reload(swarm: Swarm) -> None:
    """F14: each was a reload, and old processes went on answering with what had been true then."""
    before = [proxy.reloads for proxy in swarm.proxies]
    for number in range(30):
        swarm.publish(f"many-{number}")
    swarm.answer("/many-29")
    assert [proxy.status(f"/many-{number}") for proxy in swarm.proxies for number in range(30)] == [200] * 60
    assert [proxy.reloads for proxy in swarm.proxies] == before


def test_f16_a_removal_that_fails_is_no_success(swarm: Swarm) -> None:
    """F16: it was answered with 200, and forgotten."""
    proxy = swarm.proxies[0]
    declare(swarm, "kept-f16")
    swarm.listener.send(signal.SIGKILL)
    answer = httpx.get(
        f"http://127.0.0.1:{proxy.api}/v1/docker-flow-proxy/remove",
        params={"serviceName": "kept-f16"},
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=30,
    )
    assert answer.status_code >= 500
    assert answer.json()["Status"] == "NOK"
    swarm.listener.start()
    eventually(swarm.listener.ready, "the listener is back", within=STARTED)


def test_f17_what_was_declared_survives_everything(swarm: Swarm) -> None:
    """F17: it was in the memory of one replica, and lost with it."""
    declare(swarm, "declared")
    for role in (swarm.listener, *swarm.proxies):
        role.send(signal.SIGTERM)
    for role in (*swarm.proxies, swarm.listener):
        role.start()
    swarm.answer("/declared")


def declare(swarm: Swarm, name: str) -> None:
    """Declare a service through the API of one proxy, and wait until all have it."""
    query = {"serviceName": name, "servicePath": f"/{name}", "port": str(swarm.port), "outboundHostname": "127.0.0.1"}
    answer = httpx.get(
        f"http://127.0.0.1:{swarm.proxies[0].api}/v1/docker-flow-proxy/reconfigure",
        params=query,
        headers={"Authorization": f"Bearer {API_TOKEN}"},
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    swarm.answer(f"/{name}")
