"""Carrying out a plan leads to what is rendered, and no request meets a gap on the way."""

from collections.abc import Iterator

from builders import NEW_HAPROXY, OLD_HAPROXY, observed_of, rendered_of, service, snapshot
from hypothesis import example, given, settings
from hypothesis import strategies as st
from planning.running_model import RunningModel
from properties.worlds import CHANGED, NAMED_WORLDS, PLAIN_SERVICE, PLAIN_WORLDS, SHARED_WORLDS, SHARING_SERVICE, WORLDS
from tls.around import WITH_TLS

from controller.changes import Applied, Outcome, ReloadReason, ServerRetired
from controller.plan import expected_after, make_plan
from models.observed import Capability
from models.passthrough import handover
from models.snapshot import Snapshot, SwarmService
from render import records

CAPABILITIES = st.sampled_from([NEW_HAPROXY, OLD_HAPROXY])
MANY = settings(derandomize=True, max_examples=60)
HOSTS = ("x.com", "a.x.com", "b.a.b.x.com", "y.org", "else.net")
PATHS = ("/", "/a", "/a/b", "/b", "/.well-known/acme-challenge/x")


def with_domain(domain: str) -> Snapshot:
    """Return a world of one service with a domain."""
    return snapshot(service("s0", {"servicePath": "/a", "port": "80", "serviceDomain": domain}))


@MANY
@given(world=WORLDS, capabilities=CAPABILITIES)
def test_second_reconcile_of_any_world_is_a_no_op(world: Snapshot, capabilities: frozenset[Capability]) -> None:
    """Whatever is in it, and however wrong."""
    rendered = rendered_of(world)
    assert make_plan(observed_of(rendered, capabilities), rendered).empty


@MANY
@given(
    running=st.one_of(PLAIN_WORLDS, NAMED_WORLDS),
    wanted=st.one_of(PLAIN_WORLDS, NAMED_WORLDS),
    capabilities=CAPABILITIES,
)
def test_changes_lead_to_what_is_rendered(
    running: Snapshot, wanted: Snapshot, capabilities: frozenset[Capability]
) -> None:
    """And `expected_after` knows it without asking."""
    rendered = rendered_of(wanted)
    observed = observed_of(rendered_of(running), capabilities)
    plan = make_plan(observed, rendered)
    if plan.reload_reasons:
        return
    model = RunningModel(observed)
    for change in (*plan.changes, *plan.retirements):
        model.apply(change)
    expected = expected_after(observed, rendered, Applied(plan.outcome))
    assert expected is not None
    assert {**expected.maps} == model.maps
    assert {**expected.backends} == model.backends
    assert model.unpublished == set()
    assert make_plan(expected, rendered).empty
    for file in records.ORDERED_MAPS:
        assert list(model.maps[file].items()) == list(rendered.maps[file].items())


def answers_on_the_way(running: Snapshot, wanted: Snapshot) -> Iterator[tuple[str | None, str | None, set[str | None]]]:
    """Yield for each of some requests who answers it before the plan, after it, and at each step of it."""
    rendered = rendered_of(wanted)
    observed = observed_of(rendered_of(running), NEW_HAPROXY)
    plan = make_plan(observed, rendered)
    model, after = RunningModel(observed), RunningModel(observed_of(rendered))
    requests = [] if plan.reload_reasons else [(host, path) for host in HOSTS for path in PATHS]
    before = {request: model.answering(*request) for request in requests}
    seen: dict[tuple[str, str], set[str | None]] = {request: set() for request in requests}
    for change in (*plan.changes, *plan.retirements):
        model.apply(change)
        for request in requests:
            seen[request].add(model.answering(*request))
    for request in requests:
        yield before[request], after.answering(*request), seen[request]


@MANY
@given(running=PLAIN_WORLDS, wanted=PLAIN_WORLDS)
@example(running=with_domain("x.com"), wanted=with_domain("*x.com"))
@example(running=with_domain("*x.com"), wanted=with_domain("x.com"))
def test_no_request_meets_a_gap(running: Snapshot, wanted: Snapshot) -> None:
    """What is answered before the plan and after it is answered at every moment between."""
    for before, after, between in answers_on_the_way(running, wanted):
        assert not (before and after) or None not in between


def names_on_the_way(
    running: Snapshot, wanted: Snapshot, port: int
) -> Iterator[tuple[str | None, str | None, set[str | None]]]:
    """Yield the same for the TLS connections that ask for some names, on a port that is open before and after."""
    rendered = rendered_of(wanted, surroundings=WITH_TLS)
    observed = observed_of(rendered_of(running, surroundings=WITH_TLS), NEW_HAPROXY)
    plan = make_plan(observed, rendered)
    assert not plan.reload_reasons
    model, after = RunningModel(observed), RunningModel(observed_of(rendered))
    before = {name: model.passing(port, name) for name in HOSTS}
    seen: dict[str, set[str | None]] = {name: set() for name in HOSTS}
    for change in (*plan.changes, *plan.retirements):
        model.apply(change)
        for name in HOSTS:
            seen[name].add(model.passing(port, name))
    for name in HOSTS:
        yield before[name], after.passing(port, name), seen[name]


@MANY
@given(running=NAMED_WORLDS, wanted=NAMED_WORLDS)
def test_no_name_meets_a_gap(running: Snapshot, wanted: Snapshot) -> None:
    """There is somebody for all names before and after, so there is at every moment between."""
    for before, after, between in names_on_the_way(running, wanted, 8443):
        assert None not in {before, after, *between}


@MANY
@given(running=SHARED_WORLDS, changed=st.one_of(SHARING_SERVICE, st.none()))
def test_a_changed_service_takes_no_name_for_a_moment(running: Snapshot, changed: SwarmService | None) -> None:
    """Who has the connections for a name before and after one service changes has them all the time, by HTTP or not."""
    others = [each for each in running.services if each.name != CHANGED]
    wanted = snapshot(*others, *([changed] if changed else []))
    for before, after, between in names_on_the_way(running, wanted, 443):
        rest = handover(443)
        if (before or rest) == (after or rest) != f"{CHANGED}-be443_0":
            assert {each or rest for each in between} <= {before or rest}


@MANY
@given(running=PLAIN_WORLDS, changed=st.one_of(PLAIN_SERVICE, st.none()))
def test_a_changed_service_disturbs_no_other(running: Snapshot, changed: SwarmService | None) -> None:
    """Who answers before one service is added, changed or removed, and after it, answers all the time.

    The service itself is left out: it may give a route to another one, and take one that the others cannot win.
    """
    others = [each for each in running.services if each.name != CHANGED]
    wanted = snapshot(*others, *([changed] if changed else []))
    for before, after, between in answers_on_the_way(running, wanted):
        if before == after != f"{CHANGED}-be80_0":
            assert between <= {before}


@MANY
@given(running=WORLDS, wanted=WORLDS, capabilities=CAPABILITIES)
def test_plan_is_one_thing_only(running: Snapshot, wanted: Snapshot, capabilities: frozenset[Capability]) -> None:
    """A reload does everything, so it has no commands beside it; on older versions no backend is added or removed."""
    plan = make_plan(observed_of(rendered_of(running), capabilities), rendered_of(wanted))
    assert not plan.start
    assert not (plan.reload_reasons and (plan.changes or plan.retirements))
    if capabilities is OLD_HAPROXY:
        assert all(isinstance(change, ServerRetired) for change in plan.retirements)


def test_after_a_reload_only_asking_can_tell() -> None:
    """Nor after anything that is still pending or failed."""
    rendered = rendered_of(snapshot(service("web")))
    observed = observed_of(rendered)
    reloaded = Applied(Outcome.RELOAD, (ReloadReason.PROFILE,))
    pending = Applied(Outcome.RUNTIME, pending=(ServerRetired("web-be8080_0", "web"),))
    for applied in (reloaded, pending, Applied(Outcome.START), Applied(Outcome.FAILED)):
        assert expected_after(observed, rendered, applied) is None
    assert expected_after(observed, rendered, Applied(Outcome.NOOP)) == observed
