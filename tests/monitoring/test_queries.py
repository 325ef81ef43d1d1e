"""What proxies and listener tell: each query of the dashboard and each alert is asked of a real Prometheus."""

import json
import re
from collections.abc import Iterator
from itertools import chain

import pytest
import yaml
from failures.conftest import Swarm
from monitoring.conftest import CHART, SERVICE, Prometheus

pytestmark = pytest.mark.haproxy

DASHBOARD = json.loads((CHART / "dashboard.json").read_text(encoding="utf-8"))
RULES = yaml.safe_load((CHART / "alerts.yml").read_text(encoding="utf-8"))
PAGE = CHART.parents[1] / "docs/metrics.md"
ALERTS = {
    rule["alert"]: rule["expr"] for rule in chain(*(group["rules"] for group in RULES["groups"])) if "alert" in rule
}
EMPTY_WHEN_HEALTHY = {"Services by condition: not {{condition}}: {{reason}}"}
"""What has nothing to show as long as nothing is wrong, by panel and legend."""


def queries() -> Iterator[tuple[str, str]]:
    """Return the queries of all panels by panel and legend, as Grafana would send them."""
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", ()):
            filled = target["expr"].replace("$__rate_interval", "10s").replace("$proxy", ".+")
            assert "$" not in filled.replace('"$1"', "")
            yield f"{panel['title']}: {target['legendFormat']}", filled


def test_every_panel_has_something_to_show(prometheus: Prometheus) -> None:
    """Each query is valid, and has series but where health means that there are none."""
    empty = {name for name, query in queries() if not prometheus.query(query)}
    assert empty == EMPTY_WHEN_HEALTHY


def test_what_else_the_dashboard_asks(prometheus: Prometheus) -> None:
    """The marks of reloads are a valid query, and proxies can be chosen."""
    for mark in DASHBOARD["annotations"]["list"]:
        prometheus.query(mark["expr"].replace("$proxy", ".+"))
    (variable,) = (each for each in DASHBOARD["templating"]["list"] if each["type"] == "query")
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"])
    assert found
    assert len({series["metric"][found[2]] for series in prometheus.query(found[1])}) == 2


def test_alerts_are_about_what_there_is_and_none_fires(prometheus: Prometheus) -> None:
    """Each alert is valid, all its metrics exist, and Prometheus took them all."""
    for name, expression in ALERTS.items():
        assert prometheus.query(expression) == [], name
        bare = re.sub(r'"[^"]*"|\b(on|by) \([^)]*\)', "", expression)
        metrics = re.findall(r"(?<![\w:])(?:\w+:)*(?:up|(?:haproxy|swarmgate)_\w+)(?::\w+)*", bare)
        assert metrics, name
        for metric in metrics:
            assert prometheus.query(metric), f"{name}: there is no {metric}"
    loaded = [rule for group in prometheus.get("rules")["groups"] for rule in group["rules"]]
    assert {rule["name"] for rule in loaded if rule["type"] == "alerting"} == ALERTS.keys()
    assert [rule for rule in loaded if rule["health"] != "ok"] == []


def test_traffic_is_told_by_service(prometheus: Prometheus, world: Swarm) -> None:
    """The name of a service is found in that of its backend."""
    series = prometheus.query("service_code:swarmgate_responses:rate5m")
    assert {each["metric"]["service"] for each in series} == {SERVICE}
    counts = prometheus.query('swarmgate_replicas{state="converged"}')
    assert [each["value"][1] for each in counts] == [str(len(world.proxies))]


def test_the_page_has_what_is_told(world: Swarm) -> None:
    """With its type and its labels; nothing that a proxy or a listener tells is missing there."""
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| (.*?) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    known = {(name, type_): set(re.findall(r"`(\w+)`", labels)) for name, type_, labels in rows}
    for role in (*world.proxies, world.listener):
        text = role.get("/metrics").text
        types = re.findall(r"^# TYPE (\S+) (\S+)$", text, re.MULTILINE)
        assert types
        for name, type_ in types:
            assert (name, type_) in known, f"docs/metrics.md has no {type_} {name}"
            samples = re.findall(rf"^{name}(?:_bucket)?\{{(.*)\}} ", text, re.MULTILINE)
            labels = {label for inside in samples for label in re.findall(r'(\w+)="', inside)} - {"le"}
            assert labels <= known[name, type_], name
