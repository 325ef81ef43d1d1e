"""Examples in all pages work: stack files pass ``swarmgate lint``, commands and their options exist.

A stack file that is wrong on purpose is followed by a block ``text`` with what ``swarmgate lint stack.yml`` says of it.
"""

import re
from collections.abc import Iterator, Sequence
from ipaddress import ip_network
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml
from binaries import VERSIONS, haproxy_binary, refusal
from builders import MACHINE, PROXY_NETWORK, desired_of, service, snapshot
from documentation.markdown import PAGES, ROOT, Block, Page
from documentation.shell import PROGRAM, command_lines
from typer.main import get_command

from controller.cli import cli
from controller.endpoints import Surroundings
from controller.linting.formats import WRITERS, Format
from controller.linting.lint import lint
from models.settings import ListenerSettings, ProxySettings
from render.configuration import render

FILE = "stack.yml"
IMAGE = "swarmgate/swarmgate"
COMMANDS: dict[str, Any] = get_command(cli).commands  # type: ignore[attr-defined]
TARGETS = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
VARIABLES = {name.upper() for model in (ProxySettings, ListenerSettings) for name in model.model_fields}
ROLES = {"proxy", "swarm-listener", "listener"}


def _stacks() -> Iterator[Any]:
    """All stack files in pages, each with what is said to be wrong with it."""
    for page in PAGES:
        nothing = Block(0, "", "")
        for block, following in pairwise((*page.blocks, nothing)):
            if block.is_stack:
                said = following.text if following.language == "text" and following.text.startswith(FILE) else ""
                yield pytest.param(block.text, said, id=f"{page}:{block.line}")


STACKS = [*_stacks()]
RIGHT = [each for each in STACKS if not each.values[1]]
AROUND = Surroundings(
    networks=(ip_network(PROXY_NETWORK),),
    secrets={"dfp_users_staff": f"ann:$6${'x' * 16}${'y' * 86}"},
    hosts={"swarm-b.example.com": ("192.0.2.7",)},
)
"""What is around a proxy on the pages."""


@pytest.mark.parametrize(("stack", "said"), STACKS)
def test_stack_files_are_as_the_linter_says(stack: str, said: str) -> None:
    """Nothing is found, or just what the page says."""
    findings = lint([(FILE, stack)], ProxySettings(), {})
    assert WRITERS[Format.TEXT](findings).strip() == said.strip()


@pytest.mark.haproxy
@pytest.mark.parametrize(("stack", "said"), RIGHT)
def test_haproxy_runs_what_stack_files_ask_for(stack: str, said: str, tmp_path: Path) -> None:
    """With the secrets and hosts of the page all is well with each service, and HAProxy has nothing to say."""
    assert not said
    declared = yaml.safe_load(stack)["services"].items()
    labels = {name: each["deploy"]["labels"] for name, each in declared if "labels" in each.get("deploy", {})}
    services = [
        service(name, {}).model_copy(update={"labels": {label: str(value) for label, value in each.items()}})
        for name, each in labels.items()
    ]
    settings = ProxySettings()
    desired = desired_of(snapshot(*services), settings=settings, surroundings=AROUND)
    wrong = [each for conditions in desired.conditions.values() for each in conditions if each.status == "False"]
    assert [(each.reason.value, each.message) for each in wrong] == []
    assert refusal(haproxy_binary(VERSIONS[-1]), render(desired, settings, MACHINE).files(), tmp_path) == ""


@pytest.mark.parametrize(("stack", "said"), STACKS)
def test_variables_in_stack_files_exist(stack: str, said: str) -> None:  # noqa: ARG001 - of the same cases
    """What a page has us set of proxy and listener is a setting."""
    for name, declared in yaml.safe_load(stack)["services"].items():
        given = declared.get("environment", {}) if name in ROLES else {}
        assert set(given) <= VARIABLES


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_yaml_is_yaml(page: Page) -> None:
    """Whatever calls itself YAML can be read."""
    for block in page.blocks:
        if block.language in {"yaml", "yml"}:
            yaml.safe_load(block.text)


def called(words: Sequence[str]) -> Sequence[str]:
    """Return how ``swarmgate`` is called by a command, perhaps in a container; empty if it is not."""
    if words[:1] == [PROGRAM]:
        return _unredirected(words[1:])
    if words[:2] == ["docker", "exec"] and PROGRAM in words:
        return _unredirected(words[words.index(PROGRAM) + 1 :])
    if words[:2] == ["docker", "run"] and IMAGE in words:
        return _unredirected(words[words.index(IMAGE) + 1 :])
    return ()


def _unredirected(words: Sequence[str]) -> Sequence[str]:
    end = next((place for place, word in enumerate(words) if re.match(r"[<>]", word)), len(words))
    return words[:end]


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_commands_exist_with_their_options(page: Page) -> None:
    """Whoever types what a page says is not told that there is no such thing."""
    for words in filter(None, map(called, command_lines(page))):
        name, *arguments = words
        if name == "COMMAND":
            continue
        assert name in COMMANDS, words
        _parse(COMMANDS[name], arguments)


def _parse(command: Any, arguments: list[str]) -> None:  # noqa: ANN401 - Typer's own class is not public
    """Read arguments as the command line does.

    Raises:
        Exception: an option is not known, lacks its value, or there are too many words.
    """
    if arguments in ([], ["--help"]):
        return
    with command.context_class(command, info_name=command.name) as context:
        given, rest, _ = command.make_parser(context).parse_args(list(arguments))
    assert not rest, f"{command.name} does not take {rest}"
    missing = [each.name for each in command.params if each.required and not given.get(each.name)]
    assert not missing, f"{command.name} needs {missing}"


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_targets_of_make_exist(page: Page) -> None:
    """What a page tells to make can be made."""
    made = [words[1:] for words in command_lines(page) if words[:1] == ["make"]]
    targets = {word for words in made for word in words if re.fullmatch(r"[a-z]+", word)}
    assert targets <= TARGETS
