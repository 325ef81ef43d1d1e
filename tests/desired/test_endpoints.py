"""Where requests are sent: addresses on the shared network, by virtual IP, by task, or outside the Swarm."""

from ipaddress import ip_network

import pytest
from builders import condition, desired_of, reasons, service, snapshot, task

from controller.endpoints import Surroundings
from controller.judging import judge
from models.proxy import Desired
from models.settings import ProxySettings
from models.snapshot import SwarmService

OUTSIDE = {"servicePath": "/a", "port": "80", "outboundHostname": "db.example.com"}


def servers(desired: Desired) -> dict[str, str]:
    """Return the servers of the only backend: address and port by name."""
    (backend,) = desired.backends
    return {server.name: f"{server.address}:{server.port}" for server in backend.servers}


@pytest.mark.parametrize(
    ("networks", "vips", "address"),
    [
        pytest.param(["10.0.1.0/24"], ["10.0.1.5/24"], "10.0.1.5", id="only one"),
        pytest.param(["10.0.2.0/24"], ["10.0.1.5/24", "10.0.2.5/24"], "10.0.2.5", id="that of the proxy's network"),
        pytest.param(["10.0.2.0/24", "10.0.1.0/24"], ["10.0.1.5/24", "10.0.2.5/24"], "10.0.1.5", id="the first of two"),
        pytest.param(["fd00::/64"], ["10.0.1.5/24", "fd00::5/64"], "fd00::5", id="IPv6"),
        pytest.param(["127.0.0.0/8"], ["10.0.1.5/24"], None, id="none"),
        pytest.param([], ["10.0.1.5/24"], None, id="proxy without networks"),
        pytest.param(["10.0.1.0/24"], [], None, id="service without addresses"),
    ],
)
def test_virtual_ip_on_the_shared_network(networks: list[str], vips: list[str], address: str | None) -> None:
    """Of the virtual IPs only one on a network of the proxy can be reached."""
    surroundings = Surroundings(networks=tuple(map(ip_network, networks)))
    desired = desired_of(snapshot(service(vips=vips)), surroundings=surroundings)
    assert servers(desired) == ({"web": f"{address}:8080"} if address else {})
    assert reasons(desired, "web")[1] == ("ResolvedRefs" if address else "NetworkNotShared")


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(service(endpoint_mode="dnsrr", vips=[], tasks=2), id="dnsrr"),
        pytest.param(service(endpoint_mode="dnsrr", tasks=2), id="dnsrr that still has a virtual IP"),
    ],
)
def test_dnsrr_has_a_server_per_task(world: SwarmService) -> None:
    """Named by slot, so that a replaced task keeps its server."""
    assert servers(desired_of(snapshot(world))) == {"web_1": "10.0.1.101:8080", "web_2": "10.0.1.102:8080"}


SHARED = Surroundings(networks=tuple(map(ip_network, ["10.0.1.0/24", "10.0.2.0/24"])))
NETWORKS = {"10.0.1.0/24": "shop_front", "10.0.2.0/24": "back", "10.0.3.0/24": "far"}
VIPS = ["10.0.1.5/24", "10.0.2.5/24", "10.0.3.5/24"]


@pytest.mark.parametrize(
    ("label", "address"),
    [
        pytest.param("", "10.0.1.5", id="any"),
        pytest.param("back", "10.0.2.5", id="by name"),
        pytest.param("shop_front", "10.0.1.5", id="by its full name"),
        pytest.param("front", "10.0.1.5", id="by its name in the stack"),
    ],
)
def test_the_network_may_be_chosen(label: str, address: str) -> None:
    """Of several that both are on."""
    labels = {"servicePath": "/a", "port": "80", "network": label}
    world = service(labels=labels, stack="shop", vips=VIPS, networks=NETWORKS)
    desired = desired_of(snapshot(world), surroundings=SHARED)
    assert servers(desired) == {"web": f"{address}:80"}
    assert reasons(desired, "web")[1] == "ResolvedRefs"


def test_the_network_is_chosen_for_tasks_too() -> None:
    """A task that is not on it is left out."""
    tasks = [task(1, address="10.0.1.1/24"), task(2, address="10.0.2.2/24")]
    labels = {"servicePath": "/a", "port": "80", "network": "back", "discoveryType": "DNS"}
    desired = desired_of(snapshot(service(labels=labels, tasks=tasks, networks=NETWORKS)), surroundings=SHARED)
    assert servers(desired) == {"web_2": "10.0.2.2:80"}


@pytest.mark.parametrize(
    ("network", "more", "words"),
    [
        pytest.param("none", {}, "is no network of the service, which is on: back, far, shop_front", id="not joined"),
        pytest.param("far", {}, "those that it shares with the service: back, shop_front", id="not the proxy's"),
        pytest.param("far", {"vips": VIPS[2:]}, "with the service: none; attach both", id="nothing shared"),
        pytest.param("back", {"networks": {}}, "on: none whose name is known yet", id="no names"),
    ],
)
def test_a_network_that_leads_nowhere_is_told_with_those_that_there_are(
    network: str, more: dict[str, object], words: str
) -> None:
    """No other one is taken in its place."""
    world = service(
        labels={"servicePath": "/a", "port": "80", "network": network}, **{"vips": VIPS, "networks": NETWORKS, **more}
    )  # type: ignore[arg-type]
    desired = desired_of(
        snapshot(world.model_copy(update={"tasks": (task(1, address="10.9.9.9/24"),)})), surroundings=SHARED
    )
    assert servers(desired) == {}
    fact = condition(desired, "web", "ResolvedRefs")
    assert fact.reason == "NetworkNotShared"
    assert fact.message.startswith(f"com.df.network={network} ")
    assert words in fact.message


def test_tasks_are_used_for_all_services_if_the_proxy_says_so() -> None:
    """``ENDPOINTS=tasks``."""
    desired = desired_of(snapshot(service(tasks=2)), settings=ProxySettings(endpoints="tasks"))
    assert list(servers(desired)) == ["web_1", "web_2"]


def test_tasks_of_a_global_service_are_named_by_node() -> None:
    """They all have the slot 0."""
    tasks = [task(0, node="a", address="10.0.1.1/24"), task(0, node="b", address="10.0.1.2/24")]
    desired = desired_of(snapshot(service(mode="global", endpoint_mode="dnsrr", tasks=tasks)))
    assert list(servers(desired)) == ["web_a", "web_b"]


def test_two_tasks_of_one_slot_have_names_of_their_own() -> None:
    """An update that starts the new task first has both for a moment."""
    tasks = [task(1, task_id="old456789"), task(1, task_id="new456789", address="10.0.1.9/24")]
    desired = desired_of(snapshot(service(endpoint_mode="dnsrr", tasks=tasks)))
    assert servers(desired) == {"web_1": "10.0.1.101:8080", "web_1_new45678": "10.0.1.9:8080"}


@pytest.mark.parametrize("state", ["new", "pending", "preparing", "starting", "failed", "shutdown"])
@pytest.mark.parametrize("mode", ["vip", "dnsrr"])
def test_only_running_tasks_count(mode: str, state: str) -> None:
    """A service without one answers 503 and says why; its route is there."""
    desired = desired_of(snapshot(service(endpoint_mode=mode, tasks=[task(1, state=state)])))
    assert servers(desired) == {}
    assert reasons(desired, "web") == ("Accepted", "NoRunningTasks", "Programmed")


def test_tasks_out_of_reach_are_left_out() -> None:
    """Those on the shared network serve."""
    tasks = [task(1, address="10.9.0.1/24"), task(2)]
    assert list(servers(desired_of(snapshot(service(endpoint_mode="dnsrr", tasks=tasks))))) == ["web_2"]


def test_host_outside_is_named_before_it_is_needed() -> None:
    """The names to resolve are known from judging, without any look-up."""
    world = snapshot(service("a", OUTSIDE), service("b"), service("c", {**OUTSIDE, "outboundHostname": "192.0.2.1"}))
    assert judge(world, ProxySettings(), forms={}, rejected={}).hosts >= {"db.example.com"}


def test_host_outside_has_a_server_per_address() -> None:
    """In the order the addresses are given."""
    surroundings = Surroundings(hosts={"db.example.com": ("192.0.2.1", "2001:db8::1")})
    desired = desired_of(snapshot(service(labels=OUTSIDE, tasks=0)), surroundings=surroundings)
    assert servers(desired) == {"web": "192.0.2.1:80", "web_2": "2001:db8::1:80"}
    assert reasons(desired, "web")[1] == "ResolvedRefs"


def test_host_outside_that_has_no_address_is_reported() -> None:
    """Its route is there and answers 503."""
    desired = desired_of(snapshot(service(labels=OUTSIDE)))
    assert servers(desired) == {}
    assert reasons(desired, "web")[1] == "HostNotResolved"


@pytest.mark.parametrize("address", ["192.0.2.1", "2001:db8::1"])
def test_address_outside_needs_no_resolving(address: str) -> None:
    """It is what it is."""
    desired = desired_of(snapshot(service(labels={**OUTSIDE, "outboundHostname": address})))
    assert servers(desired) == {"web": f"{address}:80"}


def test_host_of_a_stack_file_stands_in_for_swarms_addresses() -> None:
    """The label still comes first."""
    surroundings = Surroundings(hosts={"web": ("127.0.0.1",), "db.example.com": ("192.0.2.1",)})
    plain = desired_of(snapshot(service(host="web", tasks=0, vips=[])), surroundings=surroundings)
    assert servers(plain) == {"web": "127.0.0.1:8080"}
    labelled = desired_of(snapshot(service(labels=OUTSIDE, host="web")), surroundings=surroundings)
    assert servers(labelled) == {"web": "192.0.2.1:80"}


def test_each_destination_has_its_own_port() -> None:
    """The address is the service's, the port the destination's."""
    desired = desired_of(snapshot(service(labels={"servicePath": "/a", "port.1": "81", "port.2": "82"})))
    assert [[server.port for server in backend.servers] for backend in desired.backends] == [[81], [82]]
