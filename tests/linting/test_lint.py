"""What `swarmgate lint` says of stack files: where, how bad, and what to do."""

import json
import re
import textwrap
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from controller.cli import cli
from controller.linting.lint import lint
from models.settings import ProxySettings

ROOT = Path(__file__).parents[2]


def stack(**services: str) -> str:
    """Return a stack file of services, each given by its ``deploy.labels`` in YAML."""
    parts = [
        f"  {name}:\n    deploy:\n      labels:\n" + textwrap.indent(labels, " " * 8)
        for name, labels in services.items()
    ]
    return "services:\n" + "\n".join(parts) + "\n"


GOOD = "com.df.notify: true\ncom.df.port: 80\ncom.df.servicePath: "


def found(*texts: str, **environment: str) -> list[tuple[str, int, str, str]]:
    """Return file, line, severity and rule of what is found in some files."""
    files = [(f"{chr(ord('a') + number)}.yml", text) for number, text in enumerate(texts)]
    return [
        (each.file, each.line, each.severity.value, each.rule) for each in lint(files, ProxySettings(), environment)
    ]


def messages(*texts: str, **environment: str) -> list[str]:
    """Return the messages of what is found in some files."""
    files = [(f"{number}.yml", text) for number, text in enumerate(texts)]
    return [each.message for each in lint(files, ProxySettings(), environment)]


def test_a_good_file_is_passed_without_a_word() -> None:
    assert found(stack(web=GOOD + "/web", api=GOOD + "/api")) == []


def test_each_label_that_is_wrong_is_told_at_its_line() -> None:
    text = stack(web=GOOD + "/web\ncom.df.prot: 81\ncom.df.timeoutServer: soon")
    assert found(text) == [("a.yml", 8, "error", "UnknownLabel"), ("a.yml", 9, "error", "InvalidLabel")]
    unknown, wrong = messages(text)
    assert "did you mean com.df.port?" in unknown
    assert re.fullmatch("com.df.timeoutServer='soon' .*; allowed: .+", wrong)


def test_labels_in_a_list_have_lines_too() -> None:
    text = stack(web="- com.df.notify=true\n- com.df.port=none\n- com.df.servicePath=/web")
    assert found(text) == [("a.yml", 6, "error", "InvalidLabel")]


def test_a_missing_label_is_told_at_the_service() -> None:
    assert found(stack(web="com.df.notify: true\ncom.df.servicePath: /web")) == [("a.yml", 2, "error", "InvalidLabel")]


def test_a_label_that_comes_from_an_anchor_is_told_where_it_is_written() -> None:
    anchored = "x-all: &all\n  com.df.notify: true\n  com.df.port: none\n"
    text = anchored + stack(web="<<: *all\ncom.df.servicePath: /web")
    assert found(text) == [("a.yml", 3, "error", "InvalidLabel")]


def test_labels_of_containers_are_told_to_be_in_the_wrong_place() -> None:
    text = "services:\n  web:\n    labels:\n      com.df.notify: true\n      other: thing\n"
    assert found(text) == [("a.yml", 4, "error", "LabelMisplaced")]


def test_labels_without_the_one_that_publishes() -> None:
    assert found(stack(web="com.df.port: 80\ncom.df.servicePath: /web")) == [("a.yml", 5, "warning", "NotPublished")]
    assert found(stack(web="com.df.notify: false\ncom.df.port: 80")) == []


def test_conflicts_are_told_on_both_sides_within_a_file_and_across_files() -> None:
    one = stack(api=GOOD + "/demo", web=GOOD + "/demo")
    assert found(one) == [("a.yml", 2, "warning", "Contested"), ("a.yml", 8, "error", "RouteConflict")]
    assert found(stack(web=GOOD + "/demo"), stack(web=GOOD + "/demo")) == [
        ("a.yml", 2, "warning", "Contested"),
        ("b.yml", 2, "error", "RouteConflict"),
    ]
    tcp = "com.df.notify: true\ncom.df.reqMode: tcp\ncom.df.port: 6379\ncom.df.srcPort: 6379"
    assert [rule for *_, rule in found(stack(one=tcp, two=tcp))] == ["Contested", "PortConflict"]


def test_variables_are_replaced_as_on_deployment() -> None:
    text = stack(web=GOOD + "/${NAME:-web}\ncom.df.timeoutServer: ${SECONDS}\ncom.df.users: ${USERS}")
    assert found(text, SECONDS="30", USERS="ann:secret") == []
    assert found(text, SECONDS="soon", USERS="ann:secret") == [("a.yml", 8, "error", "InvalidLabel")]
    assert found(text, SECONDS="30") == [("a.yml", 9, "warning", "VariableNotSet")]


def test_a_secret_is_not_shown() -> None:
    assert "hunter2" not in "".join(messages(stack(web=GOOD + "/web\ncom.df.users: 'a b:hunter2'")))


@pytest.mark.parametrize(
    ("text", "line"),
    [("services: [", 1), ("services:\n  web: {}\n  web: {}\n", 3), ("services:\n  web: 1\n", 1), ("- a\n", 1)],
)
def test_what_is_no_stack_file(text: str, line: int) -> None:
    assert found(text) == [("a.yml", line, "error", "NoStackFile")]


BAD = stack(web=GOOD + "/web\ncom.df.prot: 81")


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    file = tmp_path / "stack, 100%.yml"
    file.write_text(BAD)
    return file


def run(*arguments: object) -> tuple[int, str]:
    """Run the command and return its exit status and standard output."""
    result = CliRunner().invoke(cli, ["lint", *map(str, arguments)])
    return result.exit_code, result.stdout


def test_the_exit_status_tells_whether_there_are_errors(bad: Path, tmp_path: Path) -> None:
    good, doubtful = tmp_path / "good.yml", tmp_path / "doubtful.yml"
    good.write_text(stack(web=GOOD + "/web"))
    doubtful.write_text(stack(web="com.df.port: 80"))
    assert run(bad)[0] == 1
    assert run(good) == (0, "")
    assert run(doubtful)[0] == 0
    assert run("--strict", doubtful)[0] == 1
    assert run(tmp_path / "none.yml")[0] == 2


def test_text_is_as_compilers_write_it(bad: Path) -> None:
    assert run(bad)[1].startswith(f"{bad}:8: error: service web: com.df.prot is not a label of Swarmgate; did you mean")


def test_json_has_everything(bad: Path) -> None:
    (finding,) = json.loads(run("--format", "json", bad)[1])
    assert (finding["file"], finding["line"], finding["label"]) == (str(bad), 8, "com.df.prot")
    assert (finding["severity"], finding["rule"], finding["service"]) == ("error", "UnknownLabel", "web")


def test_annotations_of_github_are_one_line_each_with_what_must_be_escaped(bad: Path) -> None:
    (line,) = run("--format", "github", bad)[1].splitlines()
    assert line.startswith("::error file=")
    assert "stack%2C 100%25.yml,line=8,title=UnknownLabel::service web: com.df.prot" in line


def test_sarif_names_the_place(bad: Path) -> None:
    (one_run,) = json.loads(run("--format", "sarif", bad)[1])["runs"]
    (result,) = one_run["results"]
    place = result["locations"][0]["physicalLocation"]
    assert (place["region"]["startLine"], result["level"], result["ruleId"]) == (8, "error", "UnknownLabel")
    assert [rule["id"] for rule in one_run["tool"]["driver"]["rules"]] == ["UnknownLabel"]


@pytest.mark.parametrize(
    ("path", "is_checked"),
    [
        ("docker-compose.yml", True),
        ("deploy/stack.prod.yaml", True),
        ("compose-web.yml", True),
        ("values.yml", False),
        ("my-docker-compose.txt", False),
    ],
)
def test_the_hook_takes_compose_and_stack_files(path: str, is_checked: bool) -> None:  # noqa: FBT001
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert bool(re.search(hook["files"], path)) is is_checked
    assert hook["entry"] == "swarmgate lint"


@pytest.mark.parametrize("file", sorted(ROOT.glob("charts/**/*.yml")), ids=lambda path: str(path.relative_to(ROOT)))
def test_the_stack_files_here_are_passed(file: Path) -> None:
    assert run("--strict", file) == (0, "")
