"""Labels, variables and URLs that pages speak of exist."""

import re
from collections.abc import Iterable
from types import ModuleType

import pytest
from documentation.markdown import PAGES, ROOT, Page
from typer.main import get_command

from controller.cli import cli
from models.conditions import ConditionType, Reason
from models.notices import NoticeReason
from models.reading import PREFIX
from models.service import SPELLINGS
from models.settings import ListenerSettings, ProxySettings
from models.settings.obsolete import OBSOLETE

LABEL = re.compile(rf"\b{re.escape(PREFIX)}([A-Za-z]+)")
VARIABLE = re.compile(r"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)(?:=.*)?")
URL = re.compile(r":8080(/[\w./{}-]*)")
OUTPUT = {"text", ""}
"""What blocks of output call themselves: they may be about names that do not exist."""

UNDESCRIBED = ("/", "/docs", "/openapi.json", "/ui")
"""Paths that are for people, so that the schema does not have them."""
METRIC = re.compile(r"(swarmgate_[a-z]+_[a-z_]+)(?:\{.*\})?")
REASON = re.compile(r"(?:[A-Z][a-z]+){2,}")

SETTINGS = {name.upper() for model in (ProxySettings, ListenerSettings) for name in model.model_fields}
OF_COMMANDS = {
    parameter.envvar
    for command in get_command(cli).commands.values()  # type: ignore[attr-defined]
    for parameter in command.params
    if parameter.envvar
}
OUTSIDE = ("Makefile", ".ci/run", "charts/**/*.yml", "tests/testbed/*", "tests/conftest.py")
"""What has variables of its own, which are no settings."""


def _words(patterns: Iterable[str]) -> set[str]:
    texts = (path.read_text(encoding="utf-8") for each in patterns for path in ROOT.glob(each) if path.is_file())
    return {word for text in texts for word in re.findall(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+", text)}


REASONS = {each.value for kind in (ConditionType, Reason, NoticeReason) for each in kind}
CLASSES = {
    name
    for package in ("models", "render", "controller")
    for path in (ROOT / package).rglob("*.py")
    for name in re.findall(r"^class (\w+)", path.read_text(encoding="utf-8"), re.MULTILINE)
}
ALERTS = set(re.findall(r"- alert: (\w+)", (ROOT / "charts/monitoring/alerts.yml").read_text(encoding="utf-8")))

KNOWN = SETTINGS | OF_COMMANDS | OBSOLETE.keys() | _words(OUTSIDE)


def said(page: Page) -> str:
    """Return what a page says, without output and without stack files, which the linter reads."""
    blocks = (block.text for block in page.blocks if block.language not in OUTPUT and not block.is_stack)
    return "\n".join((page.prose, *blocks))


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_labels_exist(page: Page) -> None:
    """What a page calls a label is one, in a spelling that works."""
    assert {name for name in LABEL.findall(said(page)) if name not in SPELLINGS} == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_variables_exist(page: Page) -> None:
    """What a page calls a variable is a setting, or one of those who work on the project or deploy it."""
    named = {found[1] for code in page.code_in_prose if (found := VARIABLE.fullmatch(code))}
    assert {name for name in named if name not in KNOWN and not name.startswith("DFP_SERVICE_")} == set()


@pytest.fixture(scope="module")
def paths(generate: ModuleType) -> list[re.Pattern[str]]:
    """The paths of both APIs."""
    described = {*generate.proxy_app().openapi()["paths"], *generate.listener_app().openapi()["paths"]}
    return [re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path))) for path in (*described, *UNDESCRIBED)]


@pytest.fixture(scope="module")
def metrics(generate: ModuleType) -> set[str]:
    """The names of all metrics."""
    return {metric.name for metrics in generate.metrics().values() for metric in metrics}


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_urls_of_the_api_exist(page: Page, paths: list[re.Pattern[str]]) -> None:
    """Every path on the API's port is one of proxy or listener."""
    lost = [url for url in URL.findall(said(page)) if not any(each.fullmatch(url.rstrip(".")) for each in paths)]
    assert lost == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_metrics_exist(page: Page, metrics: set[str]) -> None:
    """What a page calls a metric of ours is one of proxy or listener."""
    named = {found[1] for code in page.code_in_prose if (found := METRIC.fullmatch(code))}
    assert named - metrics == set()


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_reasons_exist(page: Page, generate: ModuleType) -> None:
    """What looks like a reason of a condition is one, or else the name of an alert, or of something in the code."""
    if page.path.name in generate.PAGES:
        return  # it is written from the code
    named = {code for code in page.code_in_prose if REASON.fullmatch(code)}
    assert named - REASONS - ALERTS - CLASSES == set()
