"""What a value must be, what it is compared with, and when enough of them have been measured."""

import pytest

from benchmarks.measurement import Limit, Measurement, is_settled, median, percentile


@pytest.mark.parametrize(
    ("limit", "value", "holds", "words"),
    [
        (Limit(at_most=5), 5, True, "at most 5"),
        (Limit(at_most=5), 5.01, False, "at most 5"),
        (Limit(at_least=0.95), 0.95, True, "at least 0.95"),
        (Limit(at_least=0.95), 0.94, False, "at least 0.95"),
        (Limit(0, 0), 0, True, "0"),
        (Limit(0, 0), 1, False, "0"),
    ],
)
def test_a_limit_holds_up_to_its_bound(limit: Limit, value: float, holds: bool, words: str) -> None:  # noqa: FBT001
    measured = Measurement("a pass", value, "s", limit)

    assert measured.holds is holds
    assert str(limit) == words


def test_a_limit_is_about_the_ratio_where_there_is_one() -> None:
    slower = Measurement("many", 900, "requests/s", Limit(at_least=0.95), ratio=0.9, ratio_of="few")

    assert slower.holds is False
    assert slower.comparison == (0.9, "few")


def test_without_a_ratio_it_is_that_to_the_limit() -> None:
    assert Measurement("a start", 2.5, "s", Limit(at_most=5)).comparison == (0.5, "the limit")
    assert Measurement("requests lost", 3, "", Limit(0, 0)).comparison is None
    assert Measurement("a start", 2.5, "s").comparison is None


def test_what_was_not_measured_neither_holds_nor_fails() -> None:
    missing = Measurement("a start", None, "s", Limit(at_most=5))

    assert missing.holds is None
    assert missing.comparison is None


@pytest.mark.parametrize(("share", "value"), [(0, 1), (50, 50), (99, 99), (99.5, 100), (100, 100)])
def test_a_percentile_is_one_of_the_values(share: float, value: float) -> None:
    assert percentile(range(100, 0, -1), share) == value


def test_there_is_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="nothing"):
        percentile([], 50)


def test_the_median_of_an_even_number_is_between_two() -> None:
    assert median([4, 1, 3, 2]) == 2.5


@pytest.mark.parametrize(
    ("values", "settled"),
    [
        ([], False),
        ([100, 100], False),
        ([100, 100, 100], True),
        ([99.5, 100, 100.4, 100.1], True),
        ([90, 100, 110], False),
        ([100, 100, 100, 100, 250], True),
    ],
)
def test_values_that_hardly_differ_are_settled(values: list[float], settled: bool) -> None:  # noqa: FBT001
    """One that is far off does not matter to a median."""
    assert is_settled(values) is settled
