"""What is kept from one world to the next decides nothing: each one is as if it had been built from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from builders import MACHINE, NEW_HAPROXY, OLD_HAPROXY, SURROUNDINGS, observed_of, service, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.changes import Applied, Outcome, Plan
from controller.desired import Builder, build_desired
from controller.endpoints import Surroundings
from controller.judging import Judge, judge
from controller.plan import expected_after, make_plan
from controller.status import StatusStore
from controller.templates import TemplateFile
from models.observed import Capability, Observed
from models.proxy import Desired
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
from render.configuration import Renderer, render
from render.files import Rendered

NAMES = st.sampled_from([f"s{number}" for number in range(7)])
DOMAINS = st.sampled_from(["x.com", "*.x.com", "*x.com", "a.x.com,y.org", "*.a.x.com", "*"])
PATHS = st.sampled_from(["/", "/a", "/a/b", "/a,/b"])
FEATURES: list[dict[str, str]] = [
    {"serviceDomain": "x.com", "serviceDomainAlgo": "hdr_dom(host)"},
    {"serviceDomain": "x.com", "serviceDomainAlgo": "hdr_beg(host)"},
    {"pathType": "path"},
    {"pathType": "path_reg"},
    {"servicePathExclude": "/a/b"},
    {"serviceHeader": "X-A:1"},
    {"serviceHeader": "X-A:1,X-B:2"},
    {"srcPort": "80"},
    {"priority": "5"},
    {"priority": "-1"},
    {"isDefaultBackend": "true"},
    {"httpsPort": "443"},
    {"aclName": "one"},
    {"aclName": "https-one"},
    {"trafficGroup": "pool"},
    {"trafficGroup": "pool", "weight": "20"},
    {"redirectFromDomain": "old.com", "serviceDomain": "x.com"},
    {"redirectFromDomain": "x.com", "serviceDomain": "y.org"},
    {"users": "ann:a"},
    {"users": "ann:a,bob:b"},
    {"users": "carl", "usersSecret": "team"},
    {"templateFePath": "fe.tmpl", "templateBePath": "be.tmpl"},
    {"addReqHeader": "X-C c"},
    {"servicePath.1": "/c", "port.1": "82"},
    {"serviceCert": "none"},
    {"outboundHostname": "db.example.com"},
    {"replicas": "0"},
    {"port": "broken"},
    {"bogus": "x"},
]
"""What services may ask for beside a path, some of it in vain."""
HTTP = st.builds(
    lambda path, domain, features: {
        "port": "80",
        "servicePath": path,
        **({"serviceDomain": domain} if domain else {}),
        **{name: value for feature in features for name, value in feature.items()},
    },
    PATHS,
    st.one_of(st.just(""), DOMAINS),
    st.lists(st.sampled_from(FEATURES), max_size=2),
)
TCP = st.fixed_dictionaries(
    {"reqMode": st.just("tcp"), "srcPort": st.sampled_from(["6379", "80"]), "port": st.just("6379")},
    optional={"serviceGroup": st.just("pool"), "allowedSrc": st.just("10.0.0.0/8")},
)
SNI = st.fixed_dictionaries(
    {"reqMode": st.just("sni"), "port": st.just("443"), "serviceDomain": DOMAINS},
    optional={"srcPort": st.sampled_from(["8443", "6379"])},
)
SERVICES = st.builds(
    service,
    NAMES,
    st.one_of(HTTP, HTTP, HTTP, HTTP, TCP, SNI),
    tasks=st.integers(0, 2),
    younger=st.integers(0, 3),
    version=st.integers(1, 3),
)
AROUND = st.sampled_from(
    [
        SURROUNDINGS,
        SURROUNDINGS,
        replace(SURROUNDINGS, hosts={"db.example.com": ("192.0.2.1",)}, secrets={"dfp_users_team": "carl:c"}),
        replace(
            SURROUNDINGS,
            templates={
                "fe.tmpl": TemplateFile("    use_backend s0-be80_0 if { path /own }\n"),
                "be.tmpl": TemplateFile("    http-request set-header X-Own 1\n"),
            },
        ),
    ]
)


@dataclass(frozen=True)
class Step:
    """What happens from one world to the next: services come or are others, and go; some are refused by HAProxy."""

    news: tuple[SwarmService, ...]
    gone: frozenset[str]
    refused: frozenset[str]
    around: Surroundings
    asked_anew: bool

    def after(self, world: Snapshot) -> Snapshot:
        """Return the world that comes next; what stays is the same object."""
        services = {each.name: each for each in world.services if each.name not in self.gone}
        services |= {each.name: each for each in self.news}
        return snapshot(*services.values())


STEPS = st.lists(
    st.builds(
        Step,
        st.lists(SERVICES, max_size=3).map(tuple),
        st.sets(NAMES, max_size=1).map(frozenset),
        st.one_of(*[st.just(frozenset())] * 3, st.sets(NAMES, max_size=2).map(frozenset)),
        AROUND,
        st.booleans(),
    ),
    min_size=3,
    max_size=10,
)


class Controller:
    """The pure parts of the proxy, each of which remembers what it has seen."""

    def __init__(self, chosen: ProxySettings) -> None:
        self.judge, self.build, self.render = Judge(chosen), Builder(chosen), Renderer(chosen, MACHINE)
        self.status = StatusStore(now=lambda: datetime(2024, 1, 1, tzinfo=UTC))


def plain(observed: Observed) -> Observed:
    """Return the same in dictionaries, which do not know what they were made from."""
    return replace(
        observed,
        maps={file: dict(entries.items()) for file, entries in observed.maps.items()},
        backends={name: dict(servers) for name, servers in observed.backends.items()},
    )


def shown(status: StatusStore) -> Mapping[str, Any]:
    """Return all that a status store shows of a world."""
    return {
        "services": status.services_view(),
        "footprints": dict(status.footprints),
        "counts": status.count_by_condition(),
        "digest": status.digest,
    }


def check(steps: list[Step], capabilities: frozenset[Capability], *, read_anew: bool = False) -> None:
    """Go through the worlds, and compare what is kept with what is made from nothing."""
    chosen = ProxySettings()
    controller = Controller(chosen)
    world, desired, observed = snapshot(), Desired(), None
    for step in steps:
        world, refused = step.after(world), dict.fromkeys(step.refused, "no")
        if read_anew:
            world = snapshot(*(each.model_copy() for each in world.services))
        forms, texts = desired.forms, desired.templates
        judged = controller.judge(world, forms=forms, rejected=refused)
        desired = controller.build(judged, step.around, templates=texts)
        rendered = controller.render(desired)

        judged_anew = judge(world, chosen, forms=forms, rejected=refused)
        desired_anew = build_desired(judged_anew, chosen, step.around, templates=texts)
        rendered_anew = render(desired_anew, chosen, MACHINE)
        assert (judged, judged.hosts, judged.ports) == (judged_anew, judged_anew.hosts, judged_anew.ports)
        assert desired == desired_anew
        assert rendered.files() == rendered_anew.files()
        assert rendered == rendered_anew
        assert rendered.owners == rendered_anew.owners

        plan = applied = None
        if observed is not None:
            plan = make_plan(observed, rendered)
            assert plan == make_plan(plain(observed), rendered_anew)
        observed = _after(observed, plan, rendered, capabilities, asked_anew=step.asked_anew)
        applied = Applied(plan.outcome if plan else Outcome.START)
        controller.status.publish(desired, applied, desired.versions)
        status_anew = StatusStore(now=controller.status.now)
        status_anew.publish(desired_anew, applied, desired_anew.versions)
        assert shown(controller.status) == shown(status_anew)


def _after(
    observed: Observed | None,
    plan: Plan | None,
    rendered: Rendered,
    capabilities: frozenset[Capability],
    *,
    asked_anew: bool,
) -> Observed:
    """Return what HAProxy runs, as far as the controller knows; ``asked_anew`` it is what it says itself."""
    expected = expected_after(observed, rendered, Applied(plan.outcome)) if observed and plan else None
    if expected is None:
        return observed_of(rendered, capabilities)
    return plain(expected) if asked_anew else expected


@settings(derandomize=True, deadline=None, max_examples=150)
@given(steps=STEPS, capabilities=st.sampled_from([NEW_HAPROXY, OLD_HAPROXY]))
def test_every_world_is_as_if_built_from_nothing(steps: list[Step], capabilities: frozenset[Capability]) -> None:
    """Judged, desired, rendered, planned and shown."""
    check(steps, capabilities)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(steps=STEPS)
def test_also_if_every_service_is_read_anew(steps: list[Step]) -> None:
    """As from a source that does not keep what is unchanged: then every object is another one, and equal."""
    check(steps, NEW_HAPROXY, read_anew=True)


def test_nothing_is_made_anew_of_what_has_not_changed() -> None:
    """Of a hundred services one changes: all that was made of the others is the very same."""
    controller = Controller(ProxySettings())
    services = [service(f"s{number:03}") for number in range(100)]

    def made(*world: SwarmService) -> tuple[Desired, Rendered]:
        desired = controller.build(controller.judge(snapshot(*world), forms={}, rejected={}), SURROUNDINGS)
        return desired, controller.render(desired)

    before, files_before = made(*services)
    after, files_after = made(*services[1:], service("s000", {"servicePath": "/other", "port": "8080"}))
    changed = {"s000-be8080_0"}
    assert {n for n, each in after.backends_by_name.items() if before.backends_by_name[n] is not each} == changed
    assert {n for n, each in files_after.backends.items() if files_before.backends[n] is not each} <= changed
    assert {n for n, facts in after.conditions.items() if before.conditions[n] is not facts} <= {"s000"}
    same = {f for f, entries in files_after.maps.items() if files_before.maps[f] == entries}
    assert files_after.maps.keys() - same == {"maps/prefixes.map"}
    assert made(*services[1:], service("s000", {"servicePath": "/other", "port": "8080"})) == (after, files_after)
