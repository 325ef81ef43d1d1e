"""The tutorial and the end-to-end tests are of one mind: each command and each answer on the page is in a test.

No Swarm is needed: the calls of those tests are read from their source, and made on objects that only take them down.
"""

import ast
import re
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from documentation.markdown import ROOT, Block, Page
from documentation.shell import commands_of
from e2e import conftest, test_walk_through

PAGE = Page(ROOT / "docs" / "tutorial.md")
LEFT_OUT = ("swarm init", "exec", "ps", "network rm", "secret rm", "service rm redis go-demo")
"""Commands of the page that make the beginning and the end, or only look."""

NOT_ON_THE_TESTBED = {"--publish 443"}
"""Options of the page that the tests do without: there is no certificate yet."""

ONLY_TRIED = {
    "--label com.df.servicePath=/vip",
    "--label-add com.df.servicePath=/demo/hello",
    "--label-add com.df.notify=true",
    "--label-rm com.df.notify",
}
"""What the tests try besides."""

SERVICES = {"swarm": "", "demo": "go-demo", "redis": "redis", "proxy": "proxy", "listener": "swarm-listener"}
"""What the tests call the services of the page."""


@dataclass(frozen=True)
class Command:
    """A docker command: what is done to what (``service update go-demo``), and its options, each with its value."""

    what: str
    options: frozenset[str]


@dataclass
class Notes:
    """What tests do: docker commands, and requests with the status that they want."""

    commands: set[Command] = field(default_factory=set)
    requests: set[tuple[str, str, str, int]] = field(default_factory=set)
    """Path, host, user and status."""


@dataclass
class Noting:
    """Stands in for a service or for the Swarm, and notes what it is asked to do."""

    notes: Notes
    name: str = "go-demo"

    def create(self, name: str, *options: str, command: tuple[str, ...] = (), **_: str) -> "Noting":
        self.notes.commands.add(Command(f"service create {name}", pairs((*options, *command))))
        return Noting(self.notes, name)

    def create_network(self, name: str) -> None:
        self.notes.commands.add(Command(f"network create {name}", pairs(("--driver", "overlay"))))

    def create_secret(self, name: str, content: str) -> None:
        self.notes.commands.add(Command(f"secret create {name} {content}", frozenset()))

    def update(self, *options: str) -> None:
        self.notes.commands.add(Command(f"service update {self.name}", pairs(options)))

    def scale(self, replicas: int) -> None:
        self.notes.commands.add(Command(f"service scale {self.name}={replicas}", frozenset()))

    def remove(self) -> None:
        self.notes.commands.add(Command(f"service rm {self.name}", frozenset()))

    def answers(self, path: str, status: int, *, host: str = "", user: str = "", **_: float) -> None:
        self.notes.requests.add((path, host, user, status))


def pairs(words: tuple[str, ...] | list[str]) -> frozenset[str]:
    """Return options with their values, and other words, each as one text; ports as their number inside."""
    found, waiting = [], ""
    for word in words:
        if word.startswith("--"):
            found += [waiting] if waiting else []
            waiting = word
        else:
            found.append(f"{waiting} {word}".strip())
            waiting = ""
    found += [waiting] if waiting else []
    return frozenset(re.sub(r"(--publish\S*) (?:\d+:|.*target=)(\d+)", r"\1 \2", each) for each in found)


@pytest.fixture(scope="module")
def tested() -> Notes:
    """What the end-to-end tests of the walk-through do."""
    notes = Notes()
    stand_ins = {name: Noting(notes, service) for name, service in SERVICES.items()}
    for module in (conftest, test_walk_through):
        tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
        for function in (node for node in tree.body if isinstance(node, ast.FunctionDef)):
            _note(function, {**vars(module), **stand_ins})
    return notes


def _note(function: ast.FunctionDef, known: dict[str, Any]) -> None:
    """Make each call in a function that does something to a service, if its words are known beforehand."""
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) if name not in SERVICES:
                known[name] = _value(node.value, known)
            case ast.For(target=ast.Name(id=name)):
                for value in _value(node.iter, known) or ():
                    _make_calls(node, {**known, name: value})
    _make_calls(function, known)


def _make_calls(within: ast.AST, known: dict[str, Any]) -> None:
    for node in ast.walk(within):
        match node:
            case ast.Call(func=ast.Attribute(value=ast.Name(id=name))) if isinstance(known.get(name), Noting):
                _value(node, known)
            case ast.Call(func=ast.Name(id="create_demo")):
                _value(node, known)


def _value(expression: ast.expr, known: dict[str, Any]) -> Any:  # noqa: ANN401 - whatever it is
    """Return the value of an expression, or None if it needs what only a run knows, or is no note to be taken."""
    if any(isinstance(node, ast.Call) and not _is_harmless(node.func) for node in ast.walk(expression)):
        return None
    try:
        return eval(compile(ast.Expression(expression), "expression", "eval"), known)  # noqa: S307 - our own tests
    except (SyntaxError, NameError, AttributeError, TypeError):
        return None


def _is_harmless(function: ast.expr) -> bool:
    """Tell whether a call of it does nothing but take notes, or put words together."""
    names = {"labels", "relabel", "create_demo", "str"} | {name for name in vars(Noting) if not name.startswith("_")}
    return (function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")) in names


def told() -> tuple[list[Command], list[tuple[str, str, str, int]]]:
    """Return the page's docker commands and its requests, each with the status that the page shows (or else 200)."""
    commands, requests = [], []
    for block, following in pairwise((*PAGE.blocks, Block(0, "", ""))):
        lines = [*commands_of(block)]
        commands += [_command(words, before) for before, words in pairwise(([], *lines)) if _is_told(words)]
        curls = [_request(words) for words in lines if words[:1] == ["curl"]]
        status = re.match(r"HTTP/1.1 (\d+)", following.text)
        expected = [200] * len(curls)
        if status:
            expected[-1] = int(status[1])
        requests += [(*each, wanted) for each, wanted in zip(curls, expected, strict=True)]
    return commands, requests


def _is_told(words: list[str]) -> bool:
    return words[:1] == ["docker"] and not " ".join(words[1:]).startswith(LEFT_OUT)


def _command(words: list[str], before: list[str]) -> Command:
    """Return a docker command; what is piped into it belongs to it."""
    _, kind, verb, *rest = words
    if kind == "secret":
        return Command(f"secret {verb} {rest[0]} {before[-1] if before else ''}", frozenset())
    if (kind, verb) == ("service", "create"):
        image = next(place for place in range(0, len(rest), 2) if not rest[place].startswith("--"))
        name = rest[rest.index("--name") + 1]
        return Command(f"service create {name}", pairs([*rest[:image], *rest[image + 1 :]]) - {f"--name {name}"})
    return Command(f"{kind} {verb} {rest[-1]}", pairs(rest[:-1]))


def _request(words: list[str]) -> tuple[str, str, str]:
    """Return path, host and user of a request."""
    options = dict(pairwise(words))
    return (
        words[-1].removeprefix("http://localhost"),
        options.get("--header", "").removeprefix("Host: "),
        options.get("--user", ""),
    )


def test_commands_of_the_page_are_run(tested: Notes) -> None:
    """With the same labels, and all other options of the page."""
    commands, _ = told()
    assert len(commands) > 20
    assert [each for each in commands if not any(_is_run_by(each, run) for run in tested.commands)] == []


def _is_run_by(told: Command, run: Command) -> bool:
    labels, run_labels = ({each for each in one.options if each.startswith("--label")} for one in (told, run))
    return told.what == run.what and labels == run_labels and told.options - NOT_ON_THE_TESTBED <= run.options


def test_requests_of_the_page_are_sent(tested: Notes) -> None:
    """And they have the same answers."""
    _, requests = told()
    assert len(requests) > 15
    assert [each for each in requests if each not in tested.requests] == []


def test_what_the_walk_through_does_is_on_the_page(tested: Notes) -> None:
    """Labels and variables that are tried are told of."""
    commands, _ = told()
    shown = {option for each in commands for option in each.options}
    tried = {option for each in tested.commands for option in each.options if "com.df." in option or "USERS" in option}
    assert tried
    assert {option for option in tried if option not in shown} <= ONLY_TRIED
