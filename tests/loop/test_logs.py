"""What is written to the log on a terminal."""

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
