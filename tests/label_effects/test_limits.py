"""What a rate limit does."""

from dataclasses import replace
from pathlib import Path

import pytest
from builders import observed_of, rendered_of, service, snapshot
from hypothesis import given
from hypothesis import strategies as st
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of, problem_of

from controller.changes import BackendRetired, Plan
from controller.plan import make_plan
from models.labels.limits import Rate


async def test_rate_limit(binary: Path, folder: Path, origin: Origin) -> None:
    """More requests of one client are answered with 429, those of others and to other services are not."""
    labels = {"rateLimit": "3/1m"}
    services = behind(origin, labels), behind(origin, labels, name="same"), behind(origin, name="free")
    async with edge(binary, folder, *services) as proxy:
        assert [(await proxy.ask()).status for _ in range(5)] == [200, 200, 200, 429, 429]
        assert (await proxy.ask(client="192.0.2.2")).status == 200
        assert (await proxy.ask("/same")).status == 200
        assert [(await proxy.ask("/free")).status for _ in range(5)] == [200] * 5
        assert [(await proxy.ask(client="2001:db8::1")).status for _ in range(4)] == [200, 200, 200, 429]


async def test_rate_limit_per_destination(binary: Path, folder: Path, origin: Origin) -> None:
    """A destination has its own limit."""
    labels = {"servicePath.1": "/one", "rateLimit.1": "1/h", "servicePath.2": "/two"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert [(await proxy.ask("/one")).status for _ in range(2)] == [200, 429]
        assert [(await proxy.ask("/two")).status for _ in range(2)] == [200, 200]


async def test_rate_limit_of_connections(binary: Path, folder: Path, origin: Origin) -> None:
    """With ``reqMode=tcp`` connections are counted."""
    labels = {"rateLimit": "2/1m", "reqMode": "tcp", "srcPort": "6379", "servicePath": ""}
    request = b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n"
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert [bool(await proxy.tcp(6379, request)) for _ in range(4)] == [True, True, False, False]
        assert await proxy.tcp(6379, request, client="192.0.2.2")


@given(st.integers(1, 9999999), st.integers(1, 3600))
def test_accepted(requests: int, seconds: int) -> None:
    """The period is a number of seconds, minutes or hours."""
    assert destination_of({"rateLimit": f"{requests}/{seconds}s"}).limits.rate_limit == Rate(requests, seconds)


@pytest.mark.parametrize(
    ("value", "rate"),
    [pytest.param("5/m", Rate(5, 60), id="a minute"), pytest.param("5/24h", Rate(5, 86400), id="a day")],
)
def test_periods(value: str, rate: Rate) -> None:
    """Minutes and hours."""
    assert destination_of({"rateLimit": value}).limits.rate_limit == rate


@pytest.mark.parametrize("value", ["100", "100/10", "0/s", "5/0s", "5/25h", "-1/s", "1/ms", "٣/s"])
def test_refused(value: str) -> None:
    """Anything else is refused."""
    assert "such as 100/10s" in problem_of({"rateLimit": value})


def test_tables_are_left_alone() -> None:
    """A table is no backend of a service that has gone: it needs no reload to go, and is not deleted."""
    limited = rendered_of(snapshot(service("web", PLAIN | {"rateLimit": "100/10s"})))
    tables = [line.split()[1] for line in limited.config.splitlines() if line.startswith("backend table:")]
    assert len(tables) == 1
    running = observed_of(limited)
    observed = replace(running, backends={**running.backends, tables[0]: {}})
    assert make_plan(observed, limited) == Plan()
    without = make_plan(observed, rendered_of(snapshot()))
    assert without.reload_reasons == ()
    assert [change.backend for change in without.retirements if isinstance(change, BackendRetired)] == ["web-be8080_0"]
