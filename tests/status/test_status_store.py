"""The status store: conditions with the time of their last transition, and a log that tells each change once."""

from datetime import UTC, datetime, timedelta
from typing import Any

from builders import desired_of, service, snapshot
from structlog.testing import capture_logs

from controller.changes import Applied, Outcome
from controller.status import StatusStore
from models import conditions
from models.conditions import Condition
from models.snapshot import Snapshot

RUNTIME, NOOP = Applied(Outcome.RUNTIME), Applied(Outcome.NOOP)
GOOD, BAD = {"servicePath": "/web", "port": "80"}, {"servicePath": "/web", "port": "http"}
BEGIN = datetime(2024, 5, 1, tzinfo=UTC)


class Ticking:
    """A store whose clock is a minute later at each publication."""

    def __init__(self) -> None:
        self.time = BEGIN
        self.store = StatusStore(now=lambda: self.time)

    def publish(
        self, world: Snapshot, applied: Applied = RUNTIME, failure: Condition | None = None
    ) -> list[dict[str, Any]]:
        """Publish what a world leads to; returns what was logged."""
        versions = {each.name: each.version for each in world.services}
        with capture_logs() as logs:
            self.store.publish(desired_of(world), applied, versions, failure)
        self.time += timedelta(minutes=1)
        return [dict(entry) for entry in logs]

    def fact(self, kind: str, name: str = "web") -> Condition:
        """Return a service's condition of one type."""
        return next(fact for fact in self.store.conditions[name] if fact.type == kind)

    def minutes(self, kind: str) -> float:
        """Return when a condition of the service ``web`` last changed, in minutes since the first publication."""
        last = self.fact(kind).last_transition
        assert last is not None
        return (last - BEGIN) / timedelta(minutes=1)


def test_transition_time_stays_while_the_status_does() -> None:
    """It is the time since which things are as they are."""
    ticking = Ticking()
    for version in (1, 2, 3):
        ticking.publish(snapshot(service(labels=GOOD, version=version)))
    assert ticking.minutes("Accepted") == 0


def test_transition_time_changes_with_the_status() -> None:
    """Each condition has its own."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    ticking.publish(snapshot(service(labels=GOOD, tasks=0)))
    ticking.publish(snapshot(service(labels=BAD, tasks=0)))
    assert [ticking.minutes(kind) for kind in ("Accepted", "ResolvedRefs", "Programmed")] == [2, 2, 2]
    ticking.publish(snapshot(service(labels=GOOD, tasks=0)))
    assert [ticking.minutes(kind) for kind in ("Accepted", "ResolvedRefs", "Programmed")] == [3, 3, 3]
    ticking.publish(snapshot(service(labels=GOOD)))
    assert [ticking.minutes(kind) for kind in ("Accepted", "ResolvedRefs", "Programmed")] == [3, 4, 3]


def test_transition_time_stays_when_only_the_message_changes() -> None:
    """The service was broken before and is broken still, by another label."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=BAD)))
    ticking.publish(snapshot(service(labels={**BAD, "port": "https"})))
    assert ticking.minutes("Accepted") == 0
    assert "https" in ticking.fact("Accepted").message


def test_version_is_the_one_that_was_judged() -> None:
    """Whoever updated a service can see whether the answer is about the update."""
    ticking = Ticking()
    for version in (5, 6):
        ticking.publish(snapshot(service(version=version)))
        assert {fact.observed_version for fact in ticking.store.conditions["web"]} == {version}


def test_good_news_of_a_new_service_is_one_line() -> None:
    """What was added, its routes and backends, and how HAProxy was told."""
    assert Ticking().publish(snapshot(service(labels={**GOOD, "serviceDomain": "x.com"}))) == [
        {
            "event": "Service added",
            "log_level": "info",
            "service": "web",
            "backends": ["web-be80_0"],
            "routes": ["x.com/web"],
            "haproxy_updated_by": "runtime",
        }
    ]


def test_nothing_new_is_not_logged() -> None:
    """A condition is logged once."""
    ticking = Ticking()
    for world in (snapshot(service(labels=GOOD)), snapshot(service("bad", BAD), service(labels=GOOD))):
        assert ticking.publish(world) != []
        assert ticking.publish(world, NOOP) == []


def test_bad_news_is_a_warning_that_names_service_reason_and_message() -> None:
    """Once for each condition that turned."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    logs = ticking.publish(snapshot(service(labels=BAD)))
    accepted = next(entry for entry in logs if entry.get("condition") == "Accepted")
    assert (accepted["log_level"], accepted["service"]) == ("warning", "web")
    assert (accepted["status"], accepted["reason"]) == ("False", "InvalidLabel")
    assert "com.df.port='http'" in accepted["message"]


def test_repair_is_logged_too() -> None:
    """The story has an end."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=BAD)))
    logs = ticking.publish(snapshot(service(labels=GOOD)))
    told = {entry["condition"]: entry["log_level"] for entry in logs if "condition" in entry}
    assert told == {"Accepted": "info", "ResolvedRefs": "info", "Programmed": "info"}


def test_removal_names_service_routes_backends_and_how_haproxy_was_updated() -> None:
    """Everything of it that is gone."""
    ticking = Ticking()
    labels = {"servicePath.1": "/a,/b", "port.1": "80", "reqMode.2": "tcp", "srcPort.2": "6379", "port.2": "6379"}
    ticking.publish(snapshot(service(labels=labels)))
    assert ticking.publish(snapshot(), Applied(Outcome.RELOAD)) == [
        {
            "event": "Service removed",
            "log_level": "info",
            "service": "web",
            "backends": ["web-be6379_2", "web-be80_1"],
            "routes": ["/a", "/b", "tcp:6379"],
            "haproxy_updated_by": "reload",
        }
    ]
    assert ticking.store.conditions == {}


def test_change_of_routes_is_logged() -> None:
    """With what there is now."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    (entry,) = ticking.publish(snapshot(service(labels={**GOOD, "servicePath": "/new"})))
    assert (entry["event"], entry["routes"]) == ("Service changed", ["/new"])


def test_challenge_is_shown_as_users_write_it() -> None:
    """The mark in the map is nobody's business."""
    (entry,) = Ticking().publish(snapshot(service(labels={**GOOD, "servicePath": "/.well-known/acme-challenge/x"})))
    assert entry["routes"] == ["/.well-known/acme-challenge/x"]


def test_failure_stands_in_for_programmed_of_all_that_would_be() -> None:
    """HAProxy runs what it ran before, and says so."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    failure = conditions.apply_failed("HAProxy does not answer")
    world = snapshot(service(labels=GOOD), service("other"), service("bad", BAD))
    logs = ticking.publish(world, Applied(Outcome.FAILED), failure)
    assert {name: ticking.fact("Programmed", name).reason for name in ("web", "other", "bad")} == {
        "web": "ApplyFailed",
        "other": "ApplyFailed",
        "bad": "NotProgrammed",
    }
    assert not [entry for entry in logs if entry["event"].startswith("Service ") and "backends" in entry]
    assert [view["name"] for view in ticking.store.services_view() if view["backends"]] == ["web"]


def test_service_that_goes_during_a_failure_is_logged_when_it_is_gone() -> None:
    """Not before HAProxy has let go of it."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    failed = ticking.publish(snapshot(), Applied(Outcome.FAILED), conditions.apply_failed("x"))
    assert failed == []
    assert [entry["event"] for entry in ticking.publish(snapshot())] == ["Service removed"]


def test_count_by_condition() -> None:
    """For the metric."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD), service("other"), service("bad", BAD)))
    counts = ticking.store.count_by_condition()
    assert counts["Accepted", "True", "Accepted"] == 2
    assert counts["Accepted", "False", "InvalidLabel"] == 1
    assert sum(counts.values()) == 9


def test_view_shows_conditions_routes_and_servers() -> None:
    """What ``GET /v1/services`` answers."""
    ticking = Ticking()
    ticking.publish(snapshot(service(labels=GOOD)))
    view = ticking.store.service_view("web")
    assert view is not None
    assert view["routes"] == ["/web"]
    assert view["backends"] == {"web-be80_0": ["web 10.0.1.10:80"]}
    assert view["conditions"][0] == {
        "type": "Accepted",
        "status": "True",
        "reason": "Accepted",
        "message": "",
        "observed_version": 7,
        "last_transition": "2024-05-01T00:00:00Z",
    }
    assert ticking.store.service_view("nobody") is None
    assert ticking.store.services_view() == [view]


def test_no_password_is_shown_or_logged() -> None:
    """Neither in the view nor in the log."""
    ticking = Ticking()
    world = snapshot(
        service("good", {**GOOD, "users": "ann:hunter2"}),
        service("bad", {**GOOD, "users": "ann:hunter2'", "port": "81"}),
    )
    logs = ticking.publish(world)
    assert "hunter2" not in repr(logs)
    assert "hunter2" not in repr(ticking.store.services_view())
