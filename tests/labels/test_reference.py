"""``swarmgate labels``: every label is there, and one that is mistyped is found."""

import json
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from controller.cli import cli
from models.service import TABLE


def run(*arguments: str) -> tuple[int, str]:
    """Return the exit status and the output."""
    result = CliRunner().invoke(cli, ["labels", *arguments], env={"COLUMNS": "250"})
    return result.exit_code, result.output


def test_all_labels_are_listed() -> None:
    status, text = run()
    assert status == 0
    assert all(f"com.df.{name}" in text for name in TABLE)
    assert [each["name"] for each in json.loads(run("--json")[1])] == [f"com.df.{name}" for name in TABLE]


@pytest.mark.parametrize("name", ["users", "com.df.users"])
def test_one_label_in_full(name: str) -> None:
    status, text = run(name)
    assert status == 0
    assert "com.df.users=ann:secret" in text
    assert "closes the routes" in text
    assert json.loads(run(name, "--json")[1])["restricts"] is True


def test_a_label_that_is_mistyped() -> None:
    status, text = run("servicePth")
    assert status == 1
    assert "did you mean com.df.servicePath?" in text


def test_the_version_is_that_of_the_package() -> None:
    told = CliRunner().invoke(cli, ["--version"])
    assert (told.exit_code, told.output) == (0, f"swarmgate {version('swarmgate')}\n")
