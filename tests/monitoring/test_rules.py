"""The files of ``charts/monitoring``, as Prometheus itself judges them."""

import subprocess

import pytest
import yaml
from monitoring.conftest import CHART, command


@pytest.mark.parametrize(
    "arguments",
    [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml"), ("test", "rules", "alerts_test.yml")],
    ids=" ".join,
)
def test_promtool_is_content(arguments: tuple[str, ...]) -> None:
    """The rules and the configuration are valid, and the alerts fire when they should and only then."""
    done = subprocess.run(
        [command("promtool"), *arguments], cwd=CHART, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_alert_is_seen_to_fire_and_not_to_fire() -> None:
    """No alert was forgotten in the tests of the alerts."""
    rules = yaml.safe_load((CHART / "alerts.yml").read_text(encoding="utf-8"))
    tests = yaml.safe_load((CHART / "alerts_test.yml").read_text(encoding="utf-8"))
    alerts = {rule["alert"] for group in rules["groups"] for rule in group["rules"] if "alert" in rule}
    cases = [case for test in tests["tests"] for case in test["alert_rule_test"]]
    assert {case["alertname"] for case in cases if case["exp_alerts"]} == alerts
    assert {case["alertname"] for case in cases if not case["exp_alerts"]} == alerts


def test_the_stack_brings_every_file() -> None:
    """What it puts into containers is there, and nothing of this folder is forgotten but its tests and its page."""
    stack = yaml.safe_load((CHART / "stack.yml").read_text(encoding="utf-8"))
    brought = {config["file"] for config in stack["configs"].values()}
    here = {str(path.relative_to(CHART)) for path in CHART.rglob("*") if path.is_file()}
    assert brought == here - {"stack.yml", "alerts_test.yml", "README.md"}
    used = {each["source"] for service in stack["services"].values() for each in service["configs"]}
    assert used == stack["configs"].keys()
