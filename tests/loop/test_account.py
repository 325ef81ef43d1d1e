"""What a reconcile tells of itself in the log, and what it keeps for the next one."""

from controller.account import Account
from controller.loop import Round
from controller.metrics import Metrics


def test_the_cause_of_a_postponed_reload_is_that_of_the_reload() -> None:
    account = Account(Metrics())
    account.begin(Round(resync=False, dirty_since=1.0, causes=("event",)))
    account.begin(Round(resync=False, dirty_since=2.0, causes=("retry",)))
    assert account.facts["causes"] == ["event", "retry"]
    assert account.waiting_since == 1.0


def test_what_came_to_its_end_is_not_told_again() -> None:
    account = Account(Metrics())
    account.begin(Round(resync=False, dirty_since=1.0, causes=("event",)))
    account.end()
    account.begin(Round(resync=True, dirty_since=None, causes=("resync",)))
    assert account.facts["causes"] == ["resync"]
    assert account.waiting_since is None
