"""Traefik's rules: from text to alternatives, each a list of tests that all have to hold. Pure.

Source: Traefik's documentation, "Rules & Priority". Both syntaxes are read: the older one takes several arguments for
a matcher, of which one has to fit.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import reduce
from itertools import product

MOST_ALTERNATIVES = 64
"""A rule that takes more than so many is not for a machine to translate."""

_TOKEN = re.compile(
    r"\s*(?:(?P<sign>&&|\|\||[!(),])|(?P<name>[A-Za-z]+)|`(?P<tick>[^`]*)`|\"(?P<text>(?:[^\"\\]|\\.)*)\")"
)


class RuleError(ValueError):
    """A rule that cannot be read, with the reason."""


@dataclass(frozen=True, slots=True)
class Test:
    """One matcher with its arguments; its name is in lower case."""

    name: str
    arguments: tuple[str, ...]
    negated: bool = False

    @property
    def shown(self) -> str:
        """As a person would write it."""
        return f"{'!' * self.negated}{self.name}({', '.join(self.arguments)})"


Alternative = tuple[Test, ...]
"""Tests that all have to hold."""
Alternatives = tuple[Alternative, ...]
"""A rule in disjunctive form: one of these has to hold."""


def alternatives(rule: str) -> Alternatives:
    """Return what a rule asks for.

    Raises:
        RuleError: it is no rule, or has too many alternatives.
    """
    tokens = list(_tokens(rule))
    parser = _Parser(tokens)
    found = parser.either()
    if parser.position != len(tokens):
        raise RuleError(f"{tokens[parser.position][1]!r} is not expected where it stands")
    return tuple(dict.fromkeys(tuple(dict.fromkeys(each)) for each in found))


def _tokens(rule: str) -> Iterator[tuple[str, str]]:
    position = 0
    rule = rule.rstrip()
    while position < len(rule):
        match = _TOKEN.match(rule, position)
        if match is None:
            raise RuleError(f"{rule[position : position + 20].strip()!r} cannot be read")
        kind = str(match.lastgroup)
        value = re.sub(r"\\(.)", r"\1", match[kind]) if kind == "text" else match[kind]
        yield ("value" if kind in {"tick", "text"} else kind), value
        position = match.end()


def _every_choice(one: Alternatives, other: Alternatives) -> Alternatives:
    """Return what holds where both hold."""
    return _bounded(tuple(dict.fromkeys(a + b for a, b in product(one, other))))


def _negation(found: Alternatives) -> Alternatives:
    """Return what holds where none of these does: of each alternative, one test must not (De Morgan)."""
    negated = (tuple((replace(test, negated=not test.negated),) for test in each) for each in found)
    return reduce(_every_choice, negated)


def _bounded(found: Alternatives) -> Alternatives:
    if len(found) > MOST_ALTERNATIVES:
        raise RuleError(f"it has more than {MOST_ALTERNATIVES} alternatives")
    return found


@dataclass(slots=True)
class _Parser:
    """Reads by descent: ``||`` binds less than ``&&``, and that less than ``!``."""

    tokens: list[tuple[str, str]]
    position: int = 0

    def either(self) -> Alternatives:
        found = self._both()
        while self._take("sign", "||") is not None:
            found = _bounded((*found, *self._both()))
        return found

    def _both(self) -> Alternatives:
        found = self._single()
        while self._take("sign", "&&") is not None:
            found = _every_choice(found, self._single())
        return found

    def _single(self) -> Alternatives:
        if self._take("sign", "!") is not None:
            return _negation(self._single())
        if self._take("sign", "(") is not None:
            found = self.either()
            self._expect("sign", ")")
            return found
        return ((Test(self._expect("name").lower(), self._arguments()),),)

    def _arguments(self) -> tuple[str, ...]:
        self._expect("sign", "(")
        found = [self._expect("value")]
        while self._take("sign", ",") is not None:
            found.append(self._expect("value"))
        self._expect("sign", ")")
        return tuple(found)

    def _take(self, kind: str, value: str | None = None) -> str | None:
        """Return the next token and go on, if it is such a one."""
        if self.position == len(self.tokens) or self.tokens[self.position][0] != kind:
            return None
        found = self.tokens[self.position][1]
        if value is not None and found != value:
            return None
        self.position += 1
        return found

    def _expect(self, kind: str, value: str | None = None) -> str:
        found = self._take(kind, value)
        if found is None:
            where = self.tokens[self.position][1] if self.position < len(self.tokens) else "the end"
            raise RuleError(f"{value or 'a ' + kind} is expected before {where!r}")
        return found
