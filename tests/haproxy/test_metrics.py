"""HAProxy's statistics under DFP's names, from real HAProxys."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest
from haproxy.loopback import free_port
from label_effects.edge import Edge, Origin, behind, edge, running
from loop.jumping_clock import START, run
from prometheus_client.parser import text_string_to_metric_families

from controller.errors import TemporaryError
from controller.haproxy_metrics import MOST_DETAILED, HAProxyMetrics, exposition

SESSIONS = {
    *("current_sessions", "max_sessions", "limit_sessions", "connections_total", "bytes_in_total", "bytes_out_total"),
    *("current_session_rate", "max_session_rate", "http_responses_total"),
}
BOTH = SESSIONS | {
    *("current_queue", "max_queue", "connection_errors_total", "response_errors_total", "retry_warnings_total"),
    *("redispatch_warnings_total", "up", "weight"),
}
NAMES = {
    *(f"haproxy_frontend_{name}" for name in SESSIONS),
    *(f"haproxy_frontend_{name}" for name in ("requests_denied_total", "request_errors_total")),
    *("haproxy_frontend_limit_session_rate", "haproxy_frontend_http_requests_total"),
    *(f"haproxy_backend_{name}" for name in BOTH),
    *(f"haproxy_server_{name}" for name in BOTH),
    *("haproxy_server_check_failures_total", "haproxy_server_downtime_seconds_total"),
    "haproxy_server_check_duration_milliseconds",
}
"""Spelled as in DFP, whose users have dashboards and alerts on them."""
Series = Mapping[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: bytes) -> Series:
    """Return the value of each series by name and labels; each family must be there once, with its type."""
    families = list(text_string_to_metric_families(text.decode()))
    assert len({family.name for family in families}) == len(families)
    assert {family.type for family in families} <= {"gauge", "counter"}
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in families
        for sample in family.samples
    }


def value(series: Series, name: str, **labels: str) -> float | None:
    """Return the value of one series; None if it is not there."""
    return series.get((name, frozenset(labels.items())))


async def when_down(proxy: Edge, backend: str, failed: int) -> Series:
    """Return the metrics from the moment on when a backend is down and so many failed requests are counted.

    HAProxy counts a request when it is over, which is a moment after its client has the answer.
    """
    async with asyncio.timeout(30):
        while True:
            series = read(exposition(f"{proxy.runtime('show stat')}\n"))
            counted = value(series, "haproxy_frontend_http_responses_total", frontend="services", code="5xx")
            if value(series, "haproxy_backend_up", backend=backend) == 0 and counted == failed:
                return series
            await asyncio.sleep(0.05)


async def test_dfps_names_and_labels(binary: Path, folder: Path) -> None:
    """Of frontends, backends and servers; what is for the controller only, and tables, are left out."""
    origin, gone = Origin(), Origin(port=free_port())
    async with running(origin):
        services = (
            behind(origin, {"rateLimit": "100/1m"}),
            behind(origin, name="idle"),
            behind(origin, {"reqMode": "tcp", "srcPort": "6379"}, name="tcp"),
            behind(gone, {"checkTcp": "true"}, name="gone"),
        )
        async with edge(binary, folder, *services) as proxy:
            for path in ("/web/a", "/web/b", "/web/fail", "/nowhere"):
                await proxy.ask(path)
            series = await when_down(proxy, f"gone-be{gone.port}_0", failed=2)

    web, dead = f"web-be{origin.port}_0", f"gone-be{gone.port}_0"
    # HAProxy has no number for the limit of a server that has none, and neither had DFP.
    told = NAMES - {"haproxy_server_limit_sessions"}
    assert {name for name, _ in series} == told | {"swarmgate_haproxy_without_details"}
    assert value(series, "haproxy_frontend_http_requests_total", frontend="services") == 4
    assert value(series, "haproxy_backend_http_responses_total", backend=web, code="2xx") == 2
    assert value(series, "haproxy_server_http_responses_total", backend=web, server="web", code="5xx") == 1
    assert value(series, "haproxy_backend_up", backend=web) == 1
    assert value(series, "haproxy_server_up", backend=web, server="web") == 1
    assert value(series, "haproxy_server_up", backend=dead, server="gone") == 0
    assert value(series, "haproxy_server_check_failures_total", backend=dead, server="gone") is not None
    assert value(series, "haproxy_backend_connections_total", backend=f"idle-be{origin.port}_0") == 0
    labels = [dict(labels) for _, labels in series]
    assert {each["frontend"] for each in labels if "frontend" in each} == {"services", "tcpFE_6379"}
    assert {each["backend"] for each in labels if "backend" in each} == {
        *(f"{name}-be{origin.port}_0" for name in ("web", "idle", "tcp")),
        dead,
    }


HEADING = (
    "# pxname,svname,qcur,qmax,scur,smax,slim,stot,bin,bout,dreq,ereq,econ,eresp,wretr,wredis,status,weight,chkfail,"
    "downtime,type,rate,rate_lim,rate_max,check_duration,hrsp_1xx,hrsp_2xx,hrsp_3xx,hrsp_4xx,hrsp_5xx,hrsp_other,req_tot"
)


def row(backend: str, server: str, *, sessions: int, status: str = "UP", more: str = "") -> str:
    """Return a line of statistics, with what else HAProxy may have to say at its end."""
    kind = {"FRONTEND": 0, "BACKEND": 1}.get(server, 2)
    counts = f"0,0,0,0,,{sessions},0,0,0,0,0,0,0,0"
    return f"{backend},{server},{counts},{status},1,0,0,{kind},0,0,0,,0,{sessions},0,0,0,0,0{more}"


def test_the_busiest_are_told_of_in_detail_and_of_all_whether_they_are_up() -> None:
    """However many there are; a frontend is always told of."""
    lines = [row("services", "FRONTEND", sessions=0), row("busy", "BACKEND", sessions=9, more=',"a, b","'), ""]
    lines[1:1] = [row(f"b{number:04}", kind, sessions=0) for number in range(3000) for kind in ("BACKEND", "s")]
    text = exposition("\n".join((HEADING, *lines)))
    series = read(text)

    assert value(series, "haproxy_backend_http_responses_total", backend="busy", code="2xx") == 9
    assert value(series, "haproxy_frontend_connections_total", frontend="services") == 0
    detailed = [name for name, _ in series if name in ("haproxy_backend_weight", "haproxy_server_weight")]
    assert len(detailed) == MOST_DETAILED
    assert len([name for name, _ in series if name.endswith("_up")]) == 6001
    assert value(series, "swarmgate_haproxy_without_details") == 6001 - MOST_DETAILED
    assert text == exposition("\n".join((HEADING, *lines)))


@pytest.mark.parametrize(
    ("status", "up"),
    [("UP", 1), ("UP 1/3", 1), ("no check", 1), ("OPEN", 1), ("DOWN", 0), ("DOWN 1/2", 0), ("MAINT", 0), ("NOLB", 0)],
)
def test_what_counts_as_up(status: str, up: int) -> None:
    """As in DFP."""
    table = f"{HEADING}\n{row('web', 'web', sessions=1, status=status)}\n"
    assert value(read(exposition(table)), "haproxy_server_up", backend="web", server="web") == up


async def test_haproxy_is_asked_once_a_second_at_most() -> None:
    """However many ask, and whatever it answers; that it does not answer is told."""
    now, asked = 0.0, 0
    answers = [f"{HEADING}\n", "odd", None]

    async def statistics() -> str:
        nonlocal asked
        asked += 1
        answer = answers[asked - 1]
        if answer is None:
            raise TemporaryError("away")
        return answer

    metrics = HAProxyMetrics(statistics, clock=lambda: now)
    first, second = await asyncio.gather(metrics.scrape(), metrics.scrape())
    assert first == second
    assert asked == 1
    for scrapes, failures, up in ((2, 1, 1), (3, 1, 0)):
        now += 1.0
        series = read(await metrics.scrape())
        assert value(series, "haproxy_up") == up
        # The parser appends to counters' names what the page of DFP does not have.
        assert value(series, "haproxy_exporter_total_scrapes_total") == scrapes
        assert value(series, "haproxy_exporter_csv_parse_failures_total") == failures


@pytest.mark.parametrize("interval", [15.0, 1.25])
def test_who_scrapes_regularly_finds_the_answer_made_a_moment_before(interval: float) -> None:
    """Once for each scrape, and not again for one that does not come."""
    asked: list[float] = []

    async def statistics() -> str:
        asked.append(round(asyncio.get_running_loop().time() - START, 3))
        raise TemporaryError("away")

    async def main() -> None:
        metrics = HAProxyMetrics(statistics, clock=asyncio.get_running_loop().time)
        for _ in range(4):
            await metrics.scrape()
            await asyncio.sleep(interval)
        await asyncio.sleep(60)

    run(main())
    assert asked == pytest.approx([0, interval, 2 * interval, 3 * interval - 0.4, 4 * interval - 0.4])
