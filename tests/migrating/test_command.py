"""`swarmgate migrate` as it is called: where the file and the report go, and what the exit status says."""

import json
from pathlib import Path

from typer.testing import CliRunner, Result

from controller.cli import cli

WHOLE = """services:
  web:
    deploy:
      labels:
        traefik.http.routers.web.rule: Host(`example.com`)
        traefik.http.services.web.loadbalancer.server.port: 80
        traefik.http.middlewares.auth.basicauth.users: "ann:$$6$$hash"
        traefik.http.routers.web.middlewares: auth
"""


def call(*arguments: object) -> Result:
    return CliRunner().invoke(cli, ["migrate", *map(str, arguments)])


def written(folder: Path, text: str) -> Path:
    file = folder / "stack.yml"
    file.write_text(text, encoding="utf-8")
    return file


def test_the_file_goes_to_standard_output_and_the_report_to_standard_error(tmp_path: Path) -> None:
    result = call(written(tmp_path, WHOLE))
    assert result.exit_code == 0
    assert "com.df.serviceDomain: example.com\n" in result.stdout
    assert "web: traefik.http.routers.web.rule -> com.df.serviceDomain\n" in result.stderr


def test_the_report_shows_no_value_that_is_a_secret(tmp_path: Path) -> None:
    assert "hash" not in call(written(tmp_path, WHOLE)).stderr


def test_the_file_can_be_written_over_itself(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    result = call(file, "--output", file, "--replace")
    assert (result.exit_code, result.stdout) == (0, "")
    assert "traefik" not in file.read_text(encoding="utf-8")
    assert "com.df.port" in file.read_text(encoding="utf-8")


def test_the_report_can_be_had_as_json(tmp_path: Path) -> None:
    report = json.loads(call(written(tmp_path, WHOLE), "--json").stderr)
    assert {each["fate"] for each in report["web"]["outcomes"]} == {"translated", "needless"}


def test_only_labels_of_the_chosen_proxy_are_translated(tmp_path: Path) -> None:
    file = written(tmp_path, WHOLE)
    result = call(file, "--from", "caddy")
    assert (result.exit_code, result.stdout) == (0, WHOLE)


def test_a_label_that_is_not_translated_is_told_by_the_exit_status(tmp_path: Path) -> None:
    assert call(written(tmp_path, WHOLE.replace("Host", "Query"))).exit_code == 1


def test_what_is_no_stack_file_is_told_by_the_exit_status(tmp_path: Path) -> None:
    for text in ("", "- a", "services: [", "services:\n  a: 1\n  a: 2\n"):
        result = call(written(tmp_path, text))
        assert (result.exit_code, result.stdout) == (2, ""), text
    assert call(tmp_path / "none.yml").exit_code == 2
