"""How the log is written."""

import io
import sys
from collections.abc import Iterator

import pytest
import structlog

from controller.logs import set_up_logs


@pytest.fixture
def logs_as_before() -> Iterator[None]:
    before = structlog.get_config()
    yield
    structlog.configure(**before)


@pytest.mark.usefixtures("logs_as_before")
def test_a_traceback_has_no_values_of_variables(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs(form="text")
    password = "correct horse battery".title()

    try:
        {}[len(password)]
    except KeyError:
        structlog.get_logger().exception("Reconcile failed unexpectedly")

    written = capsys.readouterr().err
    assert "KeyError: 21" in written
    assert password not in written


class Writes(io.StringIO):
    """Notes what it is given to write."""

    def __init__(self) -> None:
        super().__init__()
        self.each: list[str] = []

    def write(self, text: str) -> int:
        self.each.append(text)
        return len(text)


@pytest.mark.usefixtures("logs_as_before")
def test_a_line_is_written_in_one_go(monkeypatch: pytest.MonkeyPatch) -> None:
    """HAProxy writes to the same place: in two, there could be a line of its own between."""
    monkeypatch.setattr(sys, "stderr", writes := Writes())
    set_up_logs(form="json")
    structlog.get_logger().info("Reconciled", commands=17)

    (line,) = writes.each
    assert line.endswith('"}\n')
