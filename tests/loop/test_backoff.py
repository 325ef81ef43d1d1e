"""Delays between attempts that keep failing."""

from controller.backoff import Backoff


def test_delays_double_up_to_the_longest() -> None:
    """And stay there."""
    backoff = Backoff(first=1.0, longest=10.0, jitter=lambda: 1.0)
    assert [backoff.next_delay() for _ in range(6)] == [1, 2, 4, 8, 10, 10]


def test_reset_begins_anew() -> None:
    """An attempt has succeeded."""
    backoff = Backoff(first=1.0, jitter=lambda: 1.0)
    delays = [backoff.next_delay(), backoff.next_delay()]
    backoff.reset()
    assert [*delays, backoff.next_delay()] == [1, 2, 1]


def test_jitter_is_between_half_and_all_of_the_delay() -> None:
    """Spread, but never at once and never later than said."""
    backoff = Backoff(first=8.0, longest=8.0)
    delays = [backoff.next_delay() for _ in range(200)]
    assert all(4.0 <= delay <= 8.0 for delay in delays)
    assert len(set(delays)) > 100


def test_failures_without_end_do_not_overflow() -> None:
    """A proxy may be without its source for weeks."""
    backoff = Backoff(jitter=lambda: 1.0)
    assert {backoff.next_delay() for _ in range(5000)} <= {0.5, 1, 2, 4, 8, 16, 30}
