"""The page about logs: its examples are lines as they are written, and its tables name every field."""

import json
import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
import yaml
from documentation.logs_page import PAGE, blocks, examples
from monitoring.conftest import command

from models.settings import ProxySettings
from render import access_log

FIELDS = {
    "request": access_log.REQUEST,
    "connection": access_log.CONNECTION,
    "refused": access_log.REFUSED_REQUEST,
}


def described(title: str) -> dict[str, str]:
    """Return the rows of the table below a title, by field."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (`.+?) \| (.*) \|$", section, re.MULTILINE)
    return {name: rest for names, rest in rows for name in re.findall(r"`(\w+)`", names)}


@pytest.mark.parametrize(("event", "fields"), FIELDS.items())
def test_lines_of_requests_have_the_fields_that_are_shown(event: str, fields: Mapping[str, str]) -> None:
    """In their order, those of timers included."""
    example = examples()[event]
    assert [*example] == [*fields]
    assert [*example.get("timers", ())] == re.findall(r'"(T\w)":', fields.get("timers", ""))


def test_every_field_has_its_row() -> None:
    """And no row is about a field that there is not."""
    fields = {name for each in FIELDS.values() for name in each}
    assert described("Requests and connections").keys() == fields | {"headers"}
    reconciled = examples()["Reconciled"].keys() - {"event", "level", "timestamp"}
    assert described("Reconciles").keys() == reconciled


def test_rows_say_which_lines_have_a_field() -> None:
    """Requests, connections, refused ones, or all."""
    words = {"request": "requests", "connection": "connections", "refused": "refused"}
    for name, rest in described("Requests and connections").items():
        who = rest.partition(" | ")[0]
        found = {words[event] for event, fields in FIELDS.items() if name in {*fields}} or {"requests"}
        assert {*who.split(", ")} == ({"all"} if found == {*words.values()} and who == "all" else found)


def test_commands_find_what_they_are_for(tmp_path: Path) -> None:
    """Among lines that are no JSON."""
    log = tmp_path / "log"
    shown = {**examples()["request"], "status": 503}
    log.write_text("\n".join(["[NOTICE] (8) : what", json.dumps(shown), json.dumps(examples()["Reconciled"])]))
    for line, event in zip("".join(blocks("sh")).splitlines(), ("request", "Reconciled"), strict=True):
        arguments = line.partition(" | jq ")[2]
        found = subprocess.run(
            ["sh", "-c", f"{command('jq')} {arguments} {log}"], capture_output=True, text=True, check=True
        ).stdout
        assert [json.loads(line)["event"] for line in found.splitlines()] == [event]


def test_the_settings_that_are_shown_are_settings() -> None:
    """By the names and with the values that there are."""
    (stack,) = blocks("yaml")
    variables = yaml.safe_load(stack)["services"]["proxy"]["environment"]
    assert ProxySettings(**{name.lower(): value for name, value in variables.items()}).access_log == "json"
