"""Stack files of other proxies as they come out: the file, the report, and that what was translated can be taken out.

To write what is expected anew, after looking at it: ``WRITE_CASES=1 pytest tests/migrating/test_cases.py``.
"""

import os
from pathlib import Path

import pytest
import yaml

from controller.commands.migrate import as_text
from controller.linting.findings import Severity
from controller.linting.lint import lint
from controller.migrating.migrate import migrate
from models.settings import ProxySettings

CASES = sorted((Path(__file__).parent / "cases").iterdir())


def expected(path: Path, text: str) -> str:
    """Return what a file of a case says, which is this text if all are to be written anew."""
    if os.environ.get("WRITE_CASES"):
        path.write_text(text, encoding="utf-8")
    return path.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_comes_out_is_what_is_expected(case: Path) -> None:
    given = (case / "stack.yml").read_text(encoding="utf-8")
    migrated = migrate(given)
    assert migrated.text == expected(case / "expected.yml", migrated.text)
    report = as_text(migrated.translations)
    assert report == expected(case / "report.txt", report)
    replaced = migrate(given, replace=True).text
    assert replaced == expected(case / "replaced.yml", replaced)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_lines_come_in_and_none_is_changed_or_goes(case: Path) -> None:
    """But for those that hold labels within braces."""
    given = (case / "stack.yml").read_text(encoding="utf-8")
    assert lines_of_others(migrate(given).text) == lines_of_others(given)


def lines_of_others(text: str) -> list[str]:
    return [line for line in text.split("\n") if "com.df." not in line and "{" not in line]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_all_else_in_the_file_says_what_it_said(case: Path) -> None:
    given = (case / "stack.yml").read_text(encoding="utf-8")
    for replace in (False, True):
        assert without_labels(migrate(given, replace=replace).text) == without_labels(given)


def without_labels(text: str) -> object:
    document = yaml.safe_load(text)
    for service in document["services"].values():
        service.get("deploy", {}).pop("labels", None)
    return document


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_what_is_written_has_no_error(case: Path) -> None:
    environment = {"ONE": "one.example.com", "TWO": "two", "PORT": "80"}
    for replace in (False, True):
        text = migrate((case / "stack.yml").read_text(encoding="utf-8"), replace=replace).text
        found = lint([("stack.yml", text)], ProxySettings(), environment)
        assert [each.message for each in found if each.severity is Severity.ERROR] == []


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_second_run_changes_nothing(case: Path) -> None:
    once = migrate((case / "stack.yml").read_text(encoding="utf-8")).text
    assert migrate(once).text == once
