"""The health check of the image: an answer from the controller, or none that is wanted."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from haproxy.loopback import free_port, http_server

from controller import healthcheck


@pytest.fixture(autouse=True)
def empty_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable of this machine is a setting of a test."""
    for name in ("PORT", "IP", "HEALTHCHECK"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def controller() -> Iterator[int]:
    """The port of something that answers everything with 200."""
    with http_server("ready") as port:
        yield port


@pytest.mark.parametrize("ip", ["", "0.0.0.0", "127.0.0.1"])
def test_a_ready_controller_is_healthy(
    ip: str, controller: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Wherever it listens."""
    monkeypatch.setenv("PORT", str(controller))
    monkeypatch.setenv("IP", ip)
    assert healthcheck.main(str(tmp_path)) == 0
    assert "ready" in capsys.readouterr().out


def test_variables_may_be_secrets(controller: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """They win, as everywhere."""
    monkeypatch.setenv("PORT", str(free_port()))
    assert healthcheck.main(str(tmp_path)) == 1
    (tmp_path / "dfp_port").write_text(f"{controller}\n")
    assert healthcheck.main(str(tmp_path)) == 0


@pytest.mark.parametrize("value", ["false", "FALSE", "f", "0"])
def test_nobody_is_asked_if_it_is_switched_off(
    value: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It succeeds at once, by variable and by secret."""
    monkeypatch.setenv("PORT", str(free_port()))
    assert healthcheck.main(str(tmp_path)) == 1
    monkeypatch.setenv("HEALTHCHECK", value)
    assert healthcheck.main(str(tmp_path)) == 0
    assert "switched off" in capsys.readouterr().out
    monkeypatch.setenv("HEALTHCHECK", "true")
    assert healthcheck.main(str(tmp_path)) == 1
    (tmp_path / "dfp_healthcheck").write_text(value)
    assert healthcheck.main(str(tmp_path)) == 0
