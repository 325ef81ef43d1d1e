"""The plan, row by row: what HAProxy runs against what is rendered."""

from dataclasses import replace

import pytest
from builders import NEW_HAPROXY, OLD_HAPROXY, observed_of, rendered_of, service, snapshot

from controller.changes import (
    EMPTY_PLAN,
    BackendAdded,
    BackendPublished,
    BackendRetired,
    Change,
    MapChanged,
    MapReplaced,
    Outcome,
    Plan,
    ReloadReason,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.plan import make_plan
from models.observed import NOT_RUNNING, Capability, ObservedServer
from models.settings import ProxySettings
from models.snapshot import Snapshot
from render.records import BACKENDS, DOMAINS, LOADED, PASSED_ENDINGS, PASSED_NAMES, PASSED_REST, PREFIXES, WILDCARDS

WEB = service("web")
SHOP = service("shop", {"servicePath": "/shop", "port": "80", "serviceDomain": "shop.com"})
ANY_SHOP = service("shop", {"servicePath": "/shop", "port": "80", "serviceDomain": "*.shop.com"})
TCP = {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}
SNI = {"reqMode": "sni", "srcPort": "8443", "port": "443"}
SECURE = service("secure", SNI | {"serviceDomain": "a.com"})
TASKS = {"endpoint_mode": "dnsrr"}
PLAIN = rendered_of(snapshot(WEB)).backends["web-be8080_0"].profile
RECORD = rendered_of(snapshot(WEB)).backends["web-be8080_0"].record


def planned(
    running: Snapshot, wanted: Snapshot, capabilities: frozenset[Capability] = NEW_HAPROXY, **settings: str
) -> Plan:
    """Return the plan that leads from a world that is converged to another one."""
    observed = observed_of(rendered_of(running), capabilities)
    return make_plan(observed, rendered_of(wanted, settings=ProxySettings(**settings)))


def reload(*reasons: ReloadReason) -> Plan:
    """Return a plan of one reload."""
    return Plan(reload_reasons=reasons)


def test_no_haproxy_is_started() -> None:
    """There is nothing to compare with."""
    plan = make_plan(NOT_RUNNING, rendered_of(snapshot(WEB)))
    assert plan == Plan(start=True)
    assert plan.outcome is Outcome.START


@pytest.mark.parametrize("capabilities", [NEW_HAPROXY, OLD_HAPROXY], ids=["3.4", "2.8"])
@pytest.mark.parametrize(
    "world",
    [
        pytest.param(snapshot(), id="empty"),
        pytest.param(snapshot(WEB, SHOP), id="two services"),
        pytest.param(snapshot(WEB, ANY_SHOP, service("redis", TCP)), id="wildcard and tcp"),
        pytest.param(snapshot(service("web", tasks=0)), id="no tasks"),
        pytest.param(snapshot(service("web", {"port": "80"})), id="nothing valid"),
    ],
)
def test_second_reconcile_is_a_no_op(world: Snapshot, capabilities: frozenset[Capability]) -> None:
    """The same world again is an empty plan."""
    plan = planned(world, world, capabilities)
    assert plan == EMPTY_PLAN
    assert plan.empty
    assert plan.outcome is Outcome.NOOP


@pytest.mark.parametrize(
    ("wanted", "reason"),
    [
        pytest.param(snapshot(WEB, service("redis", TCP)), ReloadReason.FRONTEND, id="TCP port opened"),
        pytest.param(
            snapshot(service("web", {"servicePath": "/web", "port": "8080", "reqPathSearchReplace": "/web,/"})),
            ReloadReason.PROFILE,
            id="profile not loaded",
        ),
    ],
)
def test_what_a_runtime_command_cannot_express_is_reloaded_once(wanted: Snapshot, reason: ReloadReason) -> None:
    """One reload does it all, so nothing else is planned."""
    plan = planned(snapshot(WEB), wanted)
    assert reason in plan.reload_reasons
    assert plan == reload(*plan.reload_reasons)
    assert plan.outcome is Outcome.RELOAD


def test_changed_settings_are_reloaded() -> None:
    """The core of the configuration differs."""
    assert planned(snapshot(WEB), snapshot(WEB), timeout_client="5") == reload(ReloadReason.SETTINGS)


def test_closed_tcp_port_is_reloaded() -> None:
    """A frontend can only go by a reload."""
    assert planned(snapshot(WEB, service("redis", TCP)), snapshot(WEB)) == reload(ReloadReason.FRONTEND)


def test_tcp_port_that_goes_to_another_service_is_reloaded() -> None:
    """The frontend names its backend."""
    worlds = snapshot(service("redis", TCP)), snapshot(service("valkey", TCP))
    assert planned(*worlds) == reload(ReloadReason.FRONTEND)


def test_profile_that_is_not_used_any_more_is_harmless() -> None:
    """It stays loaded until the next reload, and costs none."""
    guarded = service("guarded", {"servicePath": "/g", "port": "80", "delResHeader": "Server"})
    assert planned(snapshot(WEB, guarded), snapshot(WEB)).reload_reasons == ()


def test_known_profile_needs_no_reload() -> None:
    """A new service with options that another one has is a matter of commands."""
    labels = {"port": "80", "reqPathSearchReplace": "/web,/"}
    one = service("one", {**labels, "servicePath": "/1"})
    two = service("two", {**labels, "servicePath": "/2"})
    assert planned(snapshot(one), snapshot(one, two)).outcome is Outcome.RUNTIME


def test_reasons_are_in_a_fixed_order() -> None:
    """Logs and metrics of two replicas are alike."""
    guarded = service("guarded", {"servicePath": "/g", "port": "80", "delResHeader": "Server"})
    wanted = snapshot(guarded, service("redis", TCP))
    plan = planned(snapshot(WEB), wanted, OLD_HAPROXY, timeout_client="5")
    assert plan == reload(ReloadReason.SETTINGS, ReloadReason.FRONTEND, ReloadReason.PROFILE, ReloadReason.BACKEND)


def test_new_service_on_haproxy_3_4_is_made_before_it_is_routed() -> None:
    """Backend, servers, publication, record, and the routes last, the ones looked up first at the very end."""
    assert planned(snapshot(), snapshot(SHOP)) == Plan(
        changes=(
            BackendAdded("shop-be80_0", PLAIN, "http"),
            ServerAdded("shop-be80_0", "shop", "10.0.1.10", 80),
            BackendPublished("shop-be80_0"),
            MapChanged(BACKENDS, {"shop-be80_0": f"shop|{PLAIN}"}),
            MapChanged(PREFIXES, {"shop.com#/shop": "shop-be80_0"}),
            MapChanged(DOMAINS, {"*": "-", "shop.com": "shop.com"}),
        )
    )


def test_new_service_on_an_older_haproxy_is_reloaded() -> None:
    """Backends cannot be added there."""
    assert planned(snapshot(WEB), snapshot(WEB, SHOP), OLD_HAPROXY) == reload(ReloadReason.BACKEND)


def test_a_name_on_a_known_port_is_a_matter_of_commands() -> None:
    """The widest claim comes last and goes first, so that it takes nothing from others meanwhile."""
    other = service("other", SNI | {"serviceDomain": "b.com,*.a.com,*"})
    added = planned(snapshot(SECURE), snapshot(SECURE, other))
    assert added.outcome is Outcome.RUNTIME
    assert added.changes[-3:] == (
        MapChanged(PASSED_NAMES, {"b.com#8443": "other-be443_0"}),
        MapReplaced(PASSED_ENDINGS, {".a.com#8443": "other-be443_0"}),
        MapChanged(PASSED_REST, {"8443": "other-be443_0"}),
    )
    removed = planned(snapshot(SECURE, other), snapshot(SECURE))
    assert removed.changes[:3] == (
        MapChanged(PASSED_REST, {}, ("8443",)),
        MapReplaced(PASSED_ENDINGS, {}),
        MapChanged(PASSED_NAMES, {}, ("b.com#8443",)),
    )


def test_the_first_name_of_a_port_is_reloaded_and_so_is_what_has_to_be_tested() -> None:
    """A port is opened, a rule is written; the last one takes the port away."""
    test = SNI | {"servicePath": "^a", "pathType": "req.ssl_sni -m reg"}
    alive = service("other", SNI | {"serviceDomain": "b.com", "clitcpka": "true"})
    for running, wanted in (
        (snapshot(), snapshot(SECURE)),
        (snapshot(SECURE), snapshot()),
        (snapshot(SECURE), snapshot(SECURE, service("other", test))),
        (snapshot(SECURE), snapshot(SECURE, alive)),
    ):
        assert planned(running, wanted).reload_reasons == (ReloadReason.FRONTEND,)


def test_what_hands_connections_over_is_never_retired() -> None:
    """Nor anything else that is no service's."""
    rendered = rendered_of(snapshot(WEB))
    observed = observed_of(rendered)
    own = {"proxy:tls": {"services": ObservedServer("-", 0)}, "table:x": {}}
    assert make_plan(replace(observed, backends={**observed.backends, **own}), rendered).empty


def test_service_with_another_profile_is_reloaded_even_if_that_is_loaded() -> None:
    """A backend keeps the profile it was made from."""
    labels = {"servicePath": "/web", "port": "8080"}
    rewriting = {"reqPathSearchReplace": "/x,/y"}
    other = service("other", {"servicePath": "/other", "port": "80", **rewriting})
    plan = planned(snapshot(WEB, other), snapshot(service("web", {**labels, **rewriting}), other))
    assert plan == reload(ReloadReason.BACKEND)


def test_backend_without_a_record_is_reloaded() -> None:
    """A controller was killed between adding it and writing down what it is made from: it cannot be trusted."""
    rendered = rendered_of(snapshot(WEB))
    observed = observed_of(rendered)
    observed = replace(observed, maps={**observed.maps, BACKENDS: {}})
    assert make_plan(observed, rendered) == reload(ReloadReason.BACKEND)


def test_removed_service_is_unrouted_before_it_is_retired() -> None:
    """In the reverse order of its making, and what has connections goes last."""
    plan = planned(snapshot(SHOP), snapshot())
    assert plan == Plan(
        changes=(
            MapChanged(DOMAINS, {}, ("*", "shop.com")),
            MapChanged(PREFIXES, {}, ("shop.com#/shop",)),
            MapChanged(BACKENDS, {}, ("shop-be80_0",)),
        ),
        retirements=(ServerRetired("shop-be80_0", "shop"), BackendRetired("shop-be80_0")),
    )


def test_removed_service_on_an_older_haproxy_leaves_an_empty_backend() -> None:
    """It goes with the next reload; none is made for it."""
    plan = planned(snapshot(SHOP), snapshot(), OLD_HAPROXY)
    assert plan.outcome is Outcome.RUNTIME
    assert plan.retirements == (ServerRetired("shop-be80_0", "shop"),)


@pytest.mark.parametrize("capabilities", [NEW_HAPROXY, OLD_HAPROXY], ids=["3.4", "2.8"])
@pytest.mark.parametrize(
    ("running", "wanted", "changes", "retirements"),
    [
        pytest.param(
            service(tasks=1, **TASKS),
            service(tasks=2, **TASKS),
            (ServerAdded("web-be8080_0", "web_2", "10.0.1.102", 8080),),
            (),
            id="scaled up",
        ),
        pytest.param(
            service(tasks=2, **TASKS),
            service(tasks=1, **TASKS),
            (),
            (ServerRetired("web-be8080_0", "web_2"),),
            id="scaled down",
        ),
        pytest.param(
            service(vips=["10.0.1.10/24"]),
            service(vips=["10.0.1.99/24"]),
            (ServerMoved("web-be8080_0", "web", "10.0.1.99", 8080),),
            (),
            id="moved",
        ),
        pytest.param(
            service(labels={"servicePath": "/a", "port": "8080"}),
            service(labels={"servicePath": "/b", "port": "8080"}),
            (
                MapChanged(PREFIXES, {"/b": "web-be8080_0"}),
                MapChanged(PREFIXES, {}, ("/a",)),
            ),
            (),
            id="another path",
        ),
        pytest.param(
            service(labels={"servicePath": "/a", "serviceDomain": "a.com", "port": "8080"}),
            service(labels={"servicePath": "/a", "serviceDomain": "b.com", "port": "8080"}),
            (
                MapChanged(PREFIXES, {"b.com#/a": "web-be8080_0"}),
                MapChanged(DOMAINS, {"b.com": "b.com"}),
                MapChanged(DOMAINS, {}, ("a.com",)),
                MapChanged(PREFIXES, {}, ("a.com#/a",)),
            ),
            (),
            id="another domain",
        ),
        pytest.param(
            service(labels={"servicePath": "/a", "serviceDomain": "*.a.com", "port": "8080"}),
            service(labels={"servicePath": "/a", "serviceDomain": "*.b.com", "port": "8080"}),
            (
                MapChanged(PREFIXES, {"*.b.com#/a": "web-be8080_0"}),
                MapReplaced(WILDCARDS, {".a.com": "*.a.com", ".b.com": "*.b.com"}),
                MapReplaced(WILDCARDS, {".b.com": "*.b.com"}),
                MapChanged(PREFIXES, {}, ("*.a.com#/a",)),
            ),
            (),
            id="another wildcard",
        ),
        pytest.param(
            service(labels={"servicePath": "/a", "serviceDomain": "*.a.com", "port": "8080"}),
            service(labels={"servicePath": "/a", "serviceDomain": "*.a.com,*.b.com", "port": "8080"}),
            (
                MapChanged(PREFIXES, {"*.b.com#/a": "web-be8080_0"}),
                MapReplaced(WILDCARDS, {".a.com": "*.a.com", ".b.com": "*.b.com"}),
            ),
            (),
            id="one more wildcard",
        ),
        pytest.param(
            service(labels={"servicePath": "/a", "serviceDomain": "*.a.com,*.b.com", "port": "8080"}),
            service(labels={"servicePath": "/a", "serviceDomain": "*.a.com", "port": "8080"}),
            (
                MapReplaced(WILDCARDS, {".a.com": "*.a.com"}),
                MapChanged(PREFIXES, {}, ("*.b.com#/a",)),
            ),
            (),
            id="one wildcard less",
        ),
    ],
)
def test_changed_service_is_a_matter_of_commands(
    running: object,
    wanted: object,
    changes: tuple[Change, ...],
    retirements: tuple[Change, ...],
    capabilities: frozenset[Capability],
) -> None:
    """On every version; what is wanted comes before what is not is taken away."""
    assert planned(snapshot(running), snapshot(wanted), capabilities) == Plan(changes=changes, retirements=retirements)


def test_server_that_is_in_maintenance_is_put_back() -> None:
    """A controller was killed while it retired a server that is wanted again."""
    rendered = rendered_of(snapshot(WEB))
    observed = observed_of(rendered)
    stopped = {"web-be8080_0": {"web": ObservedServer("10.0.1.10", 8080, ready=False)}}
    plan = make_plan(replace(observed, backends=stopped), rendered)
    assert plan.changes == (ServerMoved("web-be8080_0", "web", "10.0.1.10", 8080),)


def test_server_that_is_half_made_is_completed() -> None:
    """A controller was killed after it had added a server, and before its checks had begun."""
    rendered = rendered_of(snapshot(service("web", {"servicePath": "/", "port": "80", "checkTcp": "true"})))
    observed = observed_of(rendered)
    half_made = {"web-be80_0": {"web": ObservedServer("10.0.1.10", 80, ready=False)}}
    plan = make_plan(replace(observed, backends=half_made), rendered)
    assert plan.changes == (ServerMoved("web-be80_0", "web", "10.0.1.10", 80, "check"),)


def test_order_of_wildcards_is_part_of_the_map() -> None:
    """That map is searched from top to bottom."""
    rendered = rendered_of(snapshot(ANY_SHOP, service("com", {"serviceDomain": "*.com", "port": "80"})))
    observed = observed_of(rendered)
    turned = dict(reversed(observed.maps[WILDCARDS].items()))
    plan = make_plan(replace(observed, maps={**observed.maps, WILDCARDS: turned}), rendered)
    assert plan == Plan(changes=(MapReplaced(WILDCARDS, rendered.maps[WILDCARDS]),))


def test_order_of_other_maps_means_nothing() -> None:
    """They are trees in HAProxy."""
    rendered = rendered_of(snapshot(WEB, SHOP))
    observed = observed_of(rendered)
    turned = {name: dict(reversed(entries.items())) for name, entries in observed.maps.items() if name != WILDCARDS}
    assert make_plan(replace(observed, maps={**observed.maps, **turned}), rendered).empty


def test_backend_of_another_service_changes_hands_by_its_record() -> None:
    """The same name and profile: only the record says whose it is."""
    labels = {"servicePath": "/web", "port": "8080", "aclName": "web"}
    plan = planned(snapshot(WEB), snapshot(service("web2", labels)))
    assert MapChanged(BACKENDS, {"web-be8080_0": f"web2|{PLAIN}"}) in plan.changes


def test_record_of_an_unknown_kind_is_reloaded() -> None:
    """A HAProxy that another version of the controller started is adopted, not stumbled over."""
    rendered = rendered_of(snapshot(WEB))
    observed = observed_of(rendered)
    loaded = {**observed.maps[LOADED], "future:thing": "abc"}
    assert make_plan(replace(observed, maps={**observed.maps, LOADED: loaded}), rendered).reload_reasons


def test_haproxy_without_our_maps_is_reloaded() -> None:
    """Somebody else started it: it runs, but nothing of ours."""
    observed = replace(observed_of(rendered_of(snapshot())), maps={}, backends={})
    assert ReloadReason.SETTINGS in make_plan(observed, rendered_of(snapshot(WEB))).reload_reasons
