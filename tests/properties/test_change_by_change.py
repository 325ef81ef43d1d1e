"""What is kept from one world to the next decides nothing: each one is as if it had been built from nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from builders import MACHINE, NEW_HAPROXY, OLD_HAPROXY, SURROUNDINGS, df, observed_of, service, snapshot
from hypothesis import given, settings
from hypothesis import strategies as st

from controller.changes import Applied, Outcome, Plan
from controller.desired import Builder, build_desired
from controller.endpoints import Surroundings
from controller.judging import Judge, Judged, Refusal, judge
from controller.plan import expected_after, make_plan
from controller.status import StatusStore
from controller.templates import TemplateFile
from models.notices import NoticeReason
from models.observed import Capability, Observed
from models.proxy import Desired, TemplateTexts
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService
from render.configuration import Renderer, render
from render.files import Rendered
from render.reduced import reduced

NAMES = st.sampled_from([f"s{number}" for number in range(7)])
DOMAINS = st.sampled_from(["x.com", "*.x.com", "*x.com", "a.x.com,y.org", "*.a.x.com", "*"])
HTTP = st.fixed_dictionaries(
    {"port": st.sampled_from(["80", "81"]), "servicePath": st.sampled_from(["/", "/a", "/a/b", "/a,/b", "broken"])},
    optional={
        "serviceDomain": DOMAINS,
        "serviceDomainAlgo": st.sampled_from(["hdr_dom(host)", "hdr_beg(host)"]),
        "pathType": st.sampled_from(["path", "path_beg", "path_reg"]),
        "servicePathExclude": st.just("/a/b"),
        "serviceHeader": st.sampled_from(["X-A:1", "X-A:1,X-B:2"]),
        "srcPort": st.just("80"),
        "priority": st.sampled_from(["1", "5", "-1"]),
        "isDefaultBackend": st.just("true"),
        "httpsPort": st.just("443"),
        "aclName": st.sampled_from(["one", "https-one", "s1"]),
        "trafficGroup": st.just("pool"),
        "weight": st.sampled_from(["1", "20"]),
        "redirectFromDomain": st.sampled_from(["old.com", "x.com"]),
        "users": st.sampled_from(["ann:a", "ann:a,bob:b", "nobody"]),
        "usersSecret": st.just("team"),
        "templateFePath": st.just("fe.tmpl"),
        "templateBePath": st.just("be.tmpl"),
        "addReqHeader": st.just("X-C c"),
        "servicePath.1": st.sampled_from(["/a", "/c"]),
        "port.1": st.just("82"),
        "serviceCert": st.just("none"),
        "outboundHostname": st.just("db.example.com"),
        "replicas": st.just("0"),
        "bogus": st.just("x"),
    },
)
POOL = st.fixed_dictionaries(
    {"port": st.just("80"), "servicePath": st.sampled_from(["/", "/a"]), "trafficGroup": st.just("pool")},
    optional={"serviceHeader": st.just("X-A:1"), "aclName": st.sampled_from(["one", "s1"])},
)
TCP = st.fixed_dictionaries(
    {"reqMode": st.just("tcp"), "srcPort": st.sampled_from(["6379", "80"]), "port": st.just("6379")},
    optional={
        "serviceGroup": st.just("pool"),
        "allowedSrc": st.just("10.0.0.0/8"),
        "serviceHeader": st.just("X-A:1"),
    },
)
SNI = st.fixed_dictionaries(
    {"reqMode": st.just("sni"), "port": st.just("443"), "serviceDomain": DOMAINS},
    optional={"srcPort": st.sampled_from(["8443", "6379"])},
)
SERVICES = st.builds(
    service,
    NAMES,
    st.one_of(HTTP, HTTP, HTTP, POOL, TCP, SNI),
    tasks=st.integers(0, 2),
    younger=st.integers(0, 3),
    version=st.integers(1, 3),
    previous_labels=st.one_of(st.none(), HTTP.map(df)),
)
REFUSALS = st.dictionaries(NAMES, st.builds(Refusal, st.just("no"), last_too=st.booleans()), max_size=3)
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
    """What happens from one world to the next: services come or are others, and go; some are refused by HAProxy.

    To find those it is asked about the world without the services that are ``left_out``.
    """

    news: tuple[SwarmService, ...]
    gone: frozenset[str]
    refused: Mapping[str, Refusal]
    left_out: frozenset[str]
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
        st.lists(SERVICES, max_size=2).map(tuple),
        st.sets(NAMES, max_size=1).map(frozenset),
        st.one_of(st.just({}), REFUSALS, REFUSALS),
        st.one_of(st.just(frozenset()), st.sets(NAMES, max_size=3).map(frozenset)),
        AROUND,
        st.booleans(),
    ),
    min_size=2,
    max_size=8,
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
        world, refused = step.after(world), step.refused
        if read_anew:
            world = snapshot(*(each.model_copy() for each in world.services))
        forms, texts = desired.forms, desired.templates
        wanted = controller.judge(world, forms=forms, rejected={})
        judged = controller.judge(world, forms=forms, rejected=refused) if refused else wanted
        if refused and step.left_out:
            check_question(controller, judged, step, texts)
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


def check_question(controller: Controller, judged: Judged, step: Step, texts: Mapping[str, TemplateTexts]) -> None:
    """Compare what HAProxy is asked when it has refused something."""
    chosen, rest = ProxySettings(), judged.without(step.left_out)
    assert {each.swarm.name for each in rest.candidates}.isdisjoint(step.left_out)
    desired = controller.build(rest, step.around, templates=texts)
    rendered = controller.render(desired)
    desired_anew = build_desired(rest, chosen, step.around, templates=texts)
    rendered_anew = render(desired_anew, chosen, MACHINE)
    assert (desired, rendered.files()) == (desired_anew, rendered_anew.files())
    about = frozenset(rest.by_name)
    assert reduced(rendered, about).files() == reduced(rendered_anew, about).files()


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


@settings(derandomize=True, max_examples=100)
@given(steps=STEPS, capabilities=st.sampled_from([NEW_HAPROXY, OLD_HAPROXY]))
def test_every_world_is_as_if_built_from_nothing(steps: list[Step], capabilities: frozenset[Capability]) -> None:
    """Judged, desired, rendered, planned and shown."""
    check(steps, capabilities)


@settings(derandomize=True, max_examples=30)
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


def test_refused_service_goes_back_to_what_is_its_last_good_form_by_now() -> None:
    """It is judged again if only that is another one, and it is as its labels say when nothing is refused any more."""
    controller, web = Controller(ProxySettings()), service("web", {"servicePath": "/new", "port": "80"})
    known = [controller.judge(snapshot(service("web")), forms={}, rejected={})]
    known.append(controller.judge(snapshot(service("web", {"servicePath": "/b", "port": "80"})), forms={}, rejected={}))
    forms = [{web.id: each.by_name["web"].good} for each in known]
    for last, words in ((forms[0], "no"), (forms[1], "no"), (forms[1], "never"), (forms[0], "never")):
        refused = {"web": Refusal(words)}
        judged = controller.judge(snapshot(web), forms=last, rejected=refused)
        assert judged.by_name["web"].form == last[web.id].form
        assert judged == judge(snapshot(web), ProxySettings(), forms=last, rejected=refused)
        wanted = controller.judge(snapshot(web), forms=last, rejected={}).by_name["web"].good
        assert wanted is not None
        assert wanted.labels == web.labels
    judged = controller.judge(snapshot(web), forms=forms[0], rejected={"web": Refusal("no", last_too=True)})
    assert "web" in judged.refused


def test_winners_are_told_as_long_as_somebody_else_claims_what_they_have() -> None:
    """A route, a name and a share: all of it comes and goes with the other services."""
    controller = Controller(ProxySettings())
    labels = {"servicePath": "/", "port": "80", "serviceDomain": "x.com"}
    owner = service("owner", labels | {"aclName": "one", "trafficGroup": "pool"})
    others = {
        NoticeReason.CONTESTED: service("a", labels, younger=1),
        NoticeReason.ROUTE_NOT_SHARED: service("b", labels | {"trafficGroup": "pool", "serviceHeader": "X:1"}),
    }
    namesake = service("c", {"servicePath": "/c", "port": "80", "aclName": "one"}, younger=1)

    def told(*world: SwarmService) -> list[NoticeReason]:
        desired = controller.build(controller.judge(snapshot(*world), forms={}, rejected={}), SURROUNDINGS)
        return [each.reason for each in desired.notices.get("owner", ())]

    for reason, other in others.items():
        assert told(owner, other) == [reason]
        assert told(owner) == []
    assert told(owner, namesake) == [NoticeReason.CONTESTED]
    assert told(owner, namesake, *others.values()) == [
        *(NoticeReason.CONTESTED, NoticeReason.CONTESTED, NoticeReason.ROUTE_NOT_SHARED)
    ]
    assert told(owner) == []
