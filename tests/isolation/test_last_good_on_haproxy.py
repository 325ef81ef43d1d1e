"""A service whose new labels HAProxy refuses: what it took before stays in force, unless that would open up."""

import asyncio

import pytest
from haproxy.loopback import free_port, get
from isolation.conftest import Proxy

from controller.templates import TemplateFile

REFUSED = "timeout server soon"
"""A line that may be written, and that HAProxy refuses."""
BAD = {"servicePath": "/new", "backendExtra": REFUSED}


async def test_what_was_taken_before_goes_on_answering(proxy: Proxy) -> None:
    """With HAProxy's words and what is in force, beside a newcomer that is live in the same round."""
    proxy.put("web", {"servicePath": "/web"})
    await proxy.converge()
    proxy.put("web", BAD)
    proxy.put("new", {"servicePath": "/beside"})
    await proxy.converge()
    assert [await proxy.status(path) for path in ("/web", "/beside", "/new")] == [200, 200, 503]
    reason, message = proxy.told("web")
    assert reason == "ConfigRejected"
    assert "the last good labels stay in force" in message
    assert "timeout server" in message
    assert proxy.told("new")[0] == "Programmed"


async def test_it_comes_back_by_itself_when_it_is_mended(proxy: Proxy) -> None:
    """As often as it takes, and nothing of what went before is left."""
    proxy.put("web", {"servicePath": "/web"})
    await proxy.converge()
    for _ in range(2):
        proxy.put("web", BAD)
        await proxy.converge()
        assert await proxy.status("/web") == 200
    proxy.put("web", {"servicePath": "/mended"})
    await proxy.converge()
    assert [await proxy.status(path) for path in ("/web", "/mended")] == [503, 200]
    assert proxy.told("web") == ("Programmed", "")


async def test_nothing_is_asked_again_while_nothing_changes(proxy: Proxy) -> None:
    """A refused service costs the round in which it is refused."""
    proxy.put("web", {"servicePath": "/web"})
    await proxy.converge()
    proxy.put("web", BAD)
    await proxy.converge()
    asked = proxy.haproxy.checks
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    assert (await proxy.status("/web"), proxy.told("web")[0]) == (200, "ConfigRejected")
    assert proxy.haproxy.checks == asked


async def test_first_time_bad_ones_are_left_out(proxy: Proxy) -> None:
    """There is nothing to go back to; the others start."""
    proxy.put("web", BAD)
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    assert [await proxy.status(path) for path in ("/other", "/new")] == [200, 503]
    assert "nothing is routed for it" in proxy.told("web")[1]


@pytest.mark.parametrize(
    "more",
    [
        pytest.param({"users": "ann:secret"}, id="users"),
        pytest.param({"allowedMethods": "GET"}, id="methods"),
        pytest.param({"allowedSrc": "127.0.0.0/8"}, id="source addresses"),
        pytest.param({"httpsOnly": "true"}, id="HTTPS"),
        pytest.param({"backendExtra": f"http-request deny if {{ path /x }}\n{REFUSED}"}, id="raw lines"),
    ],
)
async def test_it_fails_closed_where_the_last_good_labels_would_open_up(proxy: Proxy, more: dict[str, str]) -> None:
    """Nobody is let in whom the refused labels keep out; it says so, and others go on."""
    proxy.put("web", {"servicePath": "/web"})
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    proxy.put("web", {"servicePath": "/web", "backendExtra": REFUSED, **more})
    await proxy.converge()
    assert [await proxy.status(path) for path in ("/web", "/other")] == [503, 200]
    reason, message = proxy.told("web")
    assert reason == "ConfigRejected"
    assert "answer 503" in message
    proxy.put("web", {"servicePath": "/web"})
    await proxy.converge()
    assert await proxy.status("/web") == 200


async def test_it_stays_open_where_the_refused_labels_let_in_more(proxy: Proxy) -> None:
    """The last good labels are the stricter ones."""
    proxy.put("web", {"servicePath": "/web", "deniedMethods": "DELETE"})
    await proxy.converge()
    proxy.put("web", {"servicePath": "/web", "backendExtra": REFUSED})
    await proxy.converge()
    assert await proxy.status("/web") == 200


async def test_it_outlasts_a_controller(proxy: Proxy) -> None:
    """A new controller knows what was in force, however often the service was updated since."""
    proxy.put("web", {"servicePath": "/web"})
    await proxy.converge()
    for path in ("/one", "/two"):
        proxy.put("web", {"servicePath": path, "backendExtra": REFUSED})
        await proxy.converge()
    await proxy.restart_controller()
    await proxy.converge()
    assert await proxy.status("/web") == 200
    assert "the last good labels stay in force" in proxy.told("web")[1]


async def test_a_new_controller_without_memory_asks_the_swarm(proxy: Proxy) -> None:
    """Swarm knows the labels from before the last update."""
    proxy.put("web", BAD, previous_labels={"com.df.servicePath": "/web", **proxy.base_labels()})
    await proxy.converge()
    assert await proxy.status("/web") == 200


async def test_last_good_labels_that_are_refused_as_well_are_left_out(proxy: Proxy) -> None:
    """What Swarm remembers need not have been taken by anybody."""
    refused = {"com.df.servicePath": "/web", "com.df.backendExtra": "retry-on nonsense", **proxy.base_labels()}
    proxy.put("web", BAD, previous_labels=refused)
    proxy.put("other", {"servicePath": "/other"})
    await proxy.converge()
    assert [await proxy.status(path) for path in ("/other", "/web")] == [200, 503]
    assert "nothing is routed for it" in proxy.told("web")[1]


async def test_a_template_that_is_refused_stays_what_it_was(proxy: Proxy) -> None:
    """The file is another, the labels are the same: what the file said before stays in force, until it is mended."""
    proxy.world.templates["own"] = TemplateFile("http-response set-header X-Own one")
    proxy.put("web", {"servicePath": "/web", "templateBePath": "own"})
    await proxy.converge()
    proxy.world.templates["own"] = TemplateFile(REFUSED)
    await proxy.converge()
    assert (await proxy.status("/web"), proxy.told("web")[0]) == (200, "ConfigRejected")
    proxy.world.templates["own"] = TemplateFile("http-response set-header X-Own two")
    await proxy.converge()
    assert (await proxy.status("/web"), proxy.told("web")) == (200, ("Programmed", ""))


async def test_the_others_of_a_group_take_over_from_a_bad_leader(proxy: Proxy) -> None:
    """The options of a group's backend are those of its oldest service, and so are its faults."""
    port = free_port()
    group = {"reqMode": "tcp", "srcPort": str(port), "serviceGroup": "pool"}
    proxy.put("leader", {**group, "backendExtra": REFUSED})
    proxy.put("member", group, younger=1)
    proxy.put("good", {"servicePath": "/good"})
    await proxy.converge()
    assert await proxy.status("/good") == 200
    assert [proxy.told(name)[0] for name in ("leader", "member")] == ["ConfigRejected", "Programmed"]
    assert (await asyncio.to_thread(get, port, "/"))[0] == 200


async def test_a_bad_pattern_of_a_traffic_group_costs_its_services_alone(proxy: Proxy) -> None:
    """The rule of a shared route belongs to those who share it."""
    shared = {"servicePath": "^/(", "pathType": "path_reg", "trafficGroup": "shop"}
    proxy.put("blue", shared)
    proxy.put("green", shared, younger=1)
    proxy.put("good", {"servicePath": "/good"})
    await proxy.converge()
    assert await proxy.status("/good") == 200
    assert [proxy.told(name)[0] for name in ("blue", "green", "good")] == [*["ConfigRejected"] * 2, "Programmed"]
