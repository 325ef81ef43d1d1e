"""The history of reconciles: what each did and why, in words, within bounds."""

from datetime import UTC, datetime

import pytest
from builders import desired_of, service, snapshot

from controller import changes, history
from controller.changes import Applied, Outcome, Plan, ReloadReason
from controller.history import History
from controller.status import StatusStore
from models.snapshot import Snapshot

NOW = datetime(2024, 5, 1, tzinfo=UTC)
RUNTIME, NOOP = Applied(Outcome.RUNTIME), Applied(Outcome.NOOP)


class Kept:
    """A history, and the status of the worlds that it tells of."""

    def __init__(self) -> None:
        self.history = History(lambda: NOW)
        self.status = StatusStore(now=lambda: NOW)
        self.causes: tuple[str, ...] = ()

    def converge(self, world: Snapshot, applied: Applied = RUNTIME, *done: changes.Change) -> None:
        desired = desired_of(world)
        news = self.status.publish(desired, applied, desired.versions)
        self.history.converged(Plan(changes=done), applied, news, seconds=0.01, causes=self.causes)


def test_an_entry_tells_what_services_gained_and_lost_and_why_it_was_looked() -> None:
    kept = Kept()
    kept.converge(snapshot(service("web"), service("gone")))
    kept.causes = ("stack file",)
    kept.converge(snapshot(service("web", {"servicePath": "/www", "port": "80"}), service("new")))
    entry = kept.history.entries[0]
    assert entry.causes == ("stack file",)
    assert {each.name: (each.verb, each.gained, each.lost) for each in entry.services} == {
        "gone": ("removed", (), ("/gone",)),
        "new": ("added", ("/new",), ()),
        "web": ("changed", ("/www",), ("/web",)),
    }


def test_what_is_wrong_is_told_though_haproxy_has_nothing_of_it() -> None:
    kept = Kept()
    kept.converge(snapshot(service("web")))
    kept.converge(snapshot(service("web"), service("bad", {"servicePath": "/bad", "port": "x"})), NOOP)
    (news,) = kept.history.entries[0].services
    assert (news.name, news.verb) == ("bad", "judged")
    assert "com.df.port='x'" in news.conditions[0].message


def test_nothing_to_do_is_no_entry_but_is_the_last_reconcile() -> None:
    kept = Kept()
    kept.converge(snapshot(service("web")))
    kept.history.last_at = None
    kept.converge(snapshot(service("web")), NOOP)
    assert len(kept.history.entries) == 1
    assert kept.history.last_at == NOW


def test_a_reload_is_told_with_its_reason() -> None:
    kept = Kept()
    kept.converge(snapshot(service("web")), Applied(Outcome.RELOAD, (ReloadReason.BACKEND,)))
    assert kept.history.entries[0].reload_reasons == ("backend",)


def test_steps_name_what_is_changed_and_no_value() -> None:
    kept = Kept()
    done = (
        changes.ServerAdded("web-be80_0", "web", "10.0.0.1", 80, "ssl ca-file s3cret"),
        changes.MapChanged("maps/credentials.map", {"key": "s3cret"}, ("other",)),
        changes.CertificateAdded("certs/a.pem", "s3cret"),
    )
    kept.converge(snapshot(service("web")), RUNTIME, *done)
    assert kept.history.entries[0].steps == (
        "add server web-be80_0/web at 10.0.0.1:80",
        "set 1 and delete 1 entries of maps/credentials.map",
        "add certificate certs/a.pem",
    )
    assert "s3cret" not in repr(kept.history)


def test_a_failure_that_comes_again_is_counted() -> None:
    kept = Kept()
    for _ in range(3):
        kept.history.failed("HAProxy does not answer", seconds=0.1)
    kept.history.failed("HAProxy hangs", seconds=0.1)
    assert [(entry.error, entry.times) for entry in kept.history.entries] == [
        ("HAProxy hangs", 1),
        ("HAProxy does not answer", 3),
    ]
    assert kept.history.number == 4


def test_it_is_bounded_in_entries_and_in_what_each_tells() -> None:
    kept = Kept()
    kept.converge(snapshot(*(service(f"s{number:03}") for number in range(150))))
    entry = kept.history.entries[0]
    assert (len(entry.services), entry.more_services) == (history.MOST_TOLD, 150 - history.MOST_TOLD)
    for number in range(2 * history.MOST_ENTRIES):
        kept.history.failed(f"failure {number}", seconds=0.1)
    assert len(kept.history.entries) == history.MOST_ENTRIES


def test_it_is_bounded_in_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history, "MOST_BYTES", 20_000)
    kept = Kept()
    paths = ",".join(f"/{'p' * 200}{number}" for number in range(10))
    for turn in range(20):
        many = (
            service(f"s{number}", {"servicePath": f"{paths},/{turn}-{number}", "port": "80"}) for number in range(3)
        )
        kept.converge(snapshot(*many) if turn % 2 else snapshot(service("web")))
    assert sum(entry.size for entry in kept.history.entries) <= history.MOST_BYTES
    assert 1 < len(kept.history.entries) < 20
