"""What stays in force when labels become invalid: the last good form, or nothing where access would open up."""

import pytest
from builders import condition, desired_of, reasons, routes, service, snapshot

from controller.judging import Judge, judge
from models.settings import ProxySettings

GOOD = {"servicePath": "/good", "port": "80"}
BROKEN = {"servicePath": "/new", "port": "http"}


def test_last_good_form_stays_in_force() -> None:
    """A slip of the pen in an update does not take the service off the air."""
    first = desired_of(snapshot(service(labels=GOOD)))
    then = desired_of(snapshot(service(labels=BROKEN)), forms=first.forms)
    assert routes(then) == routes(first) == {"/good": "web-be80_0"}
    assert reasons(then, "web") == ("InvalidLabel", "ResolvedRefs", "LastGoodKept")


def test_last_good_form_is_handed_on_for_as_long_as_it_takes() -> None:
    """Each round keeps what the next one needs."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    for _ in range(3):
        desired = desired_of(snapshot(service(labels=BROKEN)), forms=forms)
        forms = desired.forms
    assert routes(desired) == {"/good": "web-be80_0"}


def test_last_good_form_gets_the_endpoints_of_now() -> None:
    """Only the labels are old; the addresses are those Swarm tells."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    moved = service(labels=BROKEN, vips=["10.0.1.77/24"])
    (backend,) = desired_of(snapshot(moved), forms=forms).backends
    assert [server.address for server in backend.servers] == ["10.0.1.77"]


def test_repaired_labels_replace_it() -> None:
    """Once the labels are valid again nothing old is left."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    forms = desired_of(snapshot(service(labels=BROKEN)), forms=forms).forms
    repaired = desired_of(snapshot(service(labels={"servicePath": "/new", "port": "80"})), forms=forms)
    assert routes(repaired) == {"/new": "web-be80_0"}
    assert reasons(repaired, "web") == ("Accepted", "ResolvedRefs", "Programmed")


def test_a_service_made_anew_under_the_same_name_inherits_nothing() -> None:
    """Forms belong to the service's id: another service of that name is another service."""
    forms = desired_of(snapshot(service(labels=GOOD, id="first"))).forms
    assert routes(desired_of(snapshot(service(labels=BROKEN, id="second")), forms=forms)) == {}


def test_without_memory_swarms_previous_labels_count() -> None:
    """After a restart of the controller the last good form comes from Swarm itself."""
    updated = service(labels=BROKEN, previous_labels={"com.df.servicePath": "/good", "com.df.port": "80"})
    desired = desired_of(snapshot(updated))
    assert routes(desired) == {"/good": "web-be80_0"}
    assert reasons(desired, "web") == ("InvalidLabel", "ResolvedRefs", "LastGoodKept")


def test_memory_counts_more_than_previous_labels() -> None:
    """What is in force stays, even if Swarm's previous labels were never in force here."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    updated = service(labels=BROKEN, previous_labels={"com.df.servicePath": "/other", "com.df.port": "80"})
    assert routes(desired_of(snapshot(updated), forms=forms)) == {"/good": "web-be80_0"}


def test_invalid_from_the_beginning_is_not_programmed() -> None:
    """There is nothing to fall back to."""
    desired = desired_of(snapshot(service(labels=BROKEN)))
    assert desired.backends == ()
    assert reasons(desired, "web") == ("InvalidLabel", "Pending", "NotProgrammed")


def test_unknown_label_has_its_own_reason() -> None:
    """A slip of the pen in a key can be told from one in a value."""
    assert reasons(desired_of(snapshot(service(labels={**GOOD, "bogus": "1"}))), "web")[0] == "UnknownLabel"


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({**GOOD, "users": "ann:x'y"}, id="users that cannot be read"),
        pytest.param({**GOOD, "usersSecret": "../x"}, id="secret that is no name"),
        pytest.param({**GOOD, "usersPassEncrypted": "maybe"}, id="flag that is none"),
        pytest.param({**GOOD, "users.1": "ann:x"}, id="index where there is none"),
        pytest.param({**GOOD, "user": "ann:x"}, id="misspelt"),
    ],
)
@pytest.mark.parametrize("remembered", [pytest.param(True, id="running"), pytest.param(False, id="new")])
def test_broken_restriction_fails_closed(labels: dict[str, str], remembered: bool) -> None:  # noqa: FBT001 - a column
    """Every route of the service answers 503; it is never served to people who were meant to be kept out."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms if remembered else {}
    desired = desired_of(snapshot(service(labels=labels)), forms=forms)
    assert routes(desired) == {"/good": "web-be80_0"}
    assert [backend.closed for backend in desired.backends] == [True]
    assert reasons(desired, "web")[2] == "FailedClosed"


def test_broken_restriction_closes_the_routes_of_now() -> None:
    """The other labels are valid, so they tell which routes there are to be closed."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    labels = {"servicePath": "/secret", "port": "80", "users": "x'"}
    desired = desired_of(snapshot(service(labels=labels)), forms=forms)
    assert routes(desired) == {"/secret": "web-be80_0"}


def test_broken_restriction_beside_another_broken_label_closes_the_routes_of_before() -> None:
    """What is in force is the only thing known of the service, and it must not stay open."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    desired = desired_of(snapshot(service(labels={**BROKEN, "users": "x'"})), forms=forms)
    assert routes(desired) == {"/good": "web-be80_0"}
    assert [backend.closed for backend in desired.backends] == [True]


def test_what_failed_closed_does_not_open_up_by_another_mistake() -> None:
    """The form that is remembered of a closed service has no users; it must never be served as last good."""
    closed = desired_of(snapshot(service(labels={**GOOD, "users": "x'"})))
    then = desired_of(snapshot(service(labels={**BROKEN, "users": "ann:secret"})), forms=closed.forms)
    assert all(backend.closed or backend.user_list for backend in then.backends)


def test_new_users_beside_another_mistake_wait_with_the_rest_of_the_labels() -> None:
    """The users can be read, so nothing that restricts is broken; the service stays as it was before the update."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    desired = desired_of(snapshot(service(labels={**BROKEN, "users": "ann:secret"})), forms=forms)
    assert condition(desired, "web", "Accepted").reason == "InvalidLabel"
    assert reasons(desired, "web")[2] == "LastGoodKept"
    assert routes(desired) == {"/good": "web-be80_0"}


def test_rejected_service_is_left_out_with_haproxys_own_words() -> None:
    """What HAProxy refused is not written again, and the others are."""
    world = snapshot(service("web"), service("other"))
    desired = desired_of(world, rejected={"web": "unknown keyword 'x'"})
    assert routes(desired) == {"/other": "other-be8080_0"}
    fact = condition(desired, "web", "Programmed")
    assert fact.reason == "ConfigRejected"
    assert fact.message.endswith(": unknown keyword 'x'")


def test_judge_follows_the_forms_in_force() -> None:
    """The labels stay what they are, broken; what there is to go back to comes and goes."""
    forms = desired_of(snapshot(service(labels=GOOD))).forms
    broken = snapshot(service(labels=BROKEN))
    judge_worlds = Judge(ProxySettings())
    for known in ({}, forms, {}, forms):
        judged = judge_worlds(broken, forms=known, rejected={})
        assert judged == judge(broken, ProxySettings(), forms=known, rejected={})
        assert bool(judged.candidates) == bool(known)
