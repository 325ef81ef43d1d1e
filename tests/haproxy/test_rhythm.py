"""Who comes at regular intervals is expected, whatever they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.rhythm import Rhythm


@given(first=st.floats(0, 1e6), interval=st.floats(0.01, 250), jitter=st.floats(-0.04, 0.04))
def test_who_comes_regularly_is_expected(first: float, interval: float, jitter: float) -> None:
    rhythm = Rhythm()
    assert rhythm.came(first) is None
    assert rhythm.came(first + interval) is None
    last = first + 2 * interval + jitter * interval
    expected = rhythm.came(last)
    assert expected == pytest.approx(last + interval, abs=0.1 * interval)


@pytest.mark.parametrize("times", [(0, 5, 15), (0, 10, 15), (0, 1000, 2000)])
def test_who_does_not_is_not(times: tuple[float, ...]) -> None:
    rhythm = Rhythm()
    assert [rhythm.came(at) for at in times][-1] is None
