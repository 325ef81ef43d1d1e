"""Results of subjects, as tests of what is made of them need them."""

from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from benchmarks.machine import Machine
from benchmarks.measurement import Finding
from benchmarks.results import Result, result_of

_MACHINE = Machine(
    cpu="A processor",
    cores=2,
    memory_gib=8.0,
    kernel="6.1",
    python="3.11.2",
    haproxy="3.4.7",
    caddy="2.11",
    easyhaproxy="6.5",
    wrk="4.1",
    h2load="1.52",
)

MakeResult = Callable[..., Result]


@pytest.fixture
def make_result() -> MakeResult:
    """Make what a subject has found on a machine."""

    def make(*findings: Finding, subject: str = "speed") -> Result:
        return result_of(
            subject,
            f"All about {subject}",
            findings,
            began=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
            seconds=61.23,
            quick=False,
            sizes=(10, 5_000),
            machine=_MACHINE,
        )

    return make
