"""The pages in ``docs/`` are those that the code gives, and every word of Docker Flow's vocabulary has a verdict."""

import re
from pathlib import Path
from types import ModuleType

import pytest
import yaml

from models.reading import PREFIX
from models.service import SPELLINGS, TABLE
from models.settings import ListenerSettings, ProxySettings

DOCS = Path(__file__).parents[2] / "docs"

DOCKER_FLOW = yaml.safe_load((Path(__file__).parent / "docker_flow.yml").read_text())
"""Every label and every variable that there ever was in Docker Flow."""
LABELS, VARIABLES = DOCKER_FLOW["labels"], DOCKER_FLOW["variables"]


@pytest.fixture(scope="module")
def verdicts() -> dict[str, str]:
    """The verdicts by name."""
    sections = yaml.safe_load((DOCS / "migrating.yml").read_text())
    return {name: words or "same" for rows in sections.values() for name, words in rows.items()}


def test_pages_are_fresh(generate: ModuleType) -> None:
    """Every page is what the code gives today."""
    for page, text in generate.pages().items():
        assert (DOCS / page).read_text() == text, f"docs/{page} is stale; write it with: make docs"


def test_every_label_and_variable_has_its_row(generate: ModuleType) -> None:
    """The reference pages name all labels, settings and paths of the code."""
    labels, settings, api = ((DOCS / page).read_text() for page in ("labels.md", "settings.md", "api.md"))
    assert [name for name in TABLE if f"| `{PREFIX}{name}` |" not in labels] == []
    fields = {*ProxySettings.model_fields, *ListenerSettings.model_fields}
    assert [name for name in fields if f"| `{name.upper()}` |" not in settings] == []
    paths = {*generate.proxy_app().openapi()["paths"], *generate.listener_app().openapi()["paths"]}
    assert [path for path in paths if f"`{path}`" not in api] == []


def test_every_fault_that_is_tried_has_its_row() -> None:
    """No test of what goes wrong is left out of the page about it."""
    tests = (DOCS.parent / "tests" / "faults").glob("test_*.py")
    found = [name for path in tests for name in re.findall(r"^def (test_\w+)", path.read_text(), re.MULTILINE)]
    page = (DOCS / "reliability.md").read_text()
    assert found
    assert [name for name in found if f"::{name}`" not in page] == []


@pytest.mark.parametrize("role", ["proxy", "listener"])
def test_the_page_of_the_api_has_all_that_the_schema_says(generate: ModuleType, role: str) -> None:
    """Of every path the parameters, the answers with what they mean, and a command to try it."""
    page = (DOCS / "api.md").read_text()
    app = {"proxy": generate.proxy_app, "listener": generate.listener_app}[role]()
    for path, methods in app.openapi()["paths"].items():
        for method, described in methods.items():
            section = page.partition(f"### {method.upper()} `{path}` ({role})\n")[2].partition("\n#")[0]
            assert [
                each["name"] for each in described.get("parameters", ()) if f"`{each['name']}`" not in section
            ] == []
            for status, answer in described["responses"].items():
                assert re.search(rf"^\| {status} \|.*\| {re.escape(answer['description'])} \|$", section, re.MULTILINE)
            assert re.search(rf"^curl .*http://{role}:8080/", section, re.MULTILINE)


def test_every_word_of_docker_flow_has_a_verdict(verdicts: dict[str, str]) -> None:
    """No label and no variable was forgotten, and nothing is put off."""
    assert [name for name in (*LABELS, *VARIABLES) if name not in verdicts] == []
    assert [name for name, words in verdicts.items() if re.search(r"not yet|todo", words, re.IGNORECASE)] == []


@pytest.mark.parametrize("name", LABELS)
def test_verdicts_on_labels_are_true(verdicts: dict[str, str], name: str) -> None:
    """What is said to work is a label, and what is no label is said to be gone."""
    words = verdicts[name]
    assert (name in SPELLINGS) or words.startswith("gone: ")


@pytest.mark.parametrize("name", VARIABLES)
def test_verdicts_on_variables_are_true(verdicts: dict[str, str], name: str) -> None:
    """What is said to work is a setting, and what is none is said to be gone."""
    fields = {*ProxySettings.model_fields, *ListenerSettings.model_fields}
    assert (name.lower() in fields) or verdicts[name].startswith("gone: ")


def test_urls_in_verdicts_exist(generate: ModuleType, verdicts: dict[str, str]) -> None:
    """Every URL that is said to work is one."""
    paths = {*generate.proxy_app().openapi()["paths"], *generate.listener_app().openapi()["paths"]}
    named = {name for name, words in verdicts.items() if name.startswith("/v") and not words.startswith("gone")}
    assert {name for name in named if not name.startswith("/var/")} <= paths


def test_what_the_threat_model_refers_to_is_there() -> None:
    """Each stop has a test or a setting, by a name that exists."""
    page = (DOCS.parent / "SECURITY.md").read_text(encoding="utf-8")
    links = {link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", page)}
    assert len(links) > 10
    assert [link for link in sorted(links) if not (DOCS.parent / link).exists()] == []
    variables = {name.upper() for model in (ProxySettings, ListenerSettings) for name in model.model_fields}
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)", page))
    assert named <= variables
