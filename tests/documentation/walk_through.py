"""What the end-to-end tests of the walk-through do, read from their source, without a Swarm.

Their calls are made on objects that only take them down.
"""

import ast
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from e2e import conftest, test_walk_through

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


def take_notes() -> Notes:
    """Return what the tests do, as far as it is known before they run."""
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
