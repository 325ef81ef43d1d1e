"""Lines that the operator adds to the configuration of all (``EXTRA_FRONTEND``, ``EXTRA_GLOBAL``).

They may be anything that belongs to their section, and are written as they are. Source: DFP, where commas divide lines.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from models.base import Frozen
from models.raw.templates import FILE, rendered
from models.raw.words import split_lines

_SECTIONS = frozenset(
    (
        *("acme", "backend", "cache", "crt-store", "defaults", "fcgi-app", "frontend", "global", "http-errors"),
        *("listen", "log-forward", "log-profile", "mailers", "namespace_list", "peers", "program", "resolvers"),
        *("ring", "traces", "userlist"),
    )
)
"""The words that begin a section (Configuration manual 3 to 12): after one of them all lines would be another's."""
_RULE = re.compile(r"use_backend (?P<name>[A-Za-z0-9_.-]+)(?P<rest> .*)?")
_OWN = frozenset({"extra_frontend", "extra_global"})


@dataclass(frozen=True, slots=True)
class OperatorLines:
    """The operator's lines, by where they stand: ``rules`` choose backends, and come behind all other rules."""

    globals: tuple[str, ...] = ()
    frontend: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    @classmethod
    def of(cls, settings: Frozen) -> "OperatorLines":
        """Return the lines of settings, which may be templates that are told all settings but secrets.

        Raises:
            ValueError: a template cannot be filled in, or a line would end its section; the message names the variable.
        """
        facts = _facts((name, getattr(settings, name)) for name in type(settings).model_fields if name not in _OWN)
        frontend = _lines("extra_frontend", settings, facts)
        return cls(
            globals=_lines("extra_global", settings, facts),
            frontend=tuple(line for line in frontend if not _is_rule(line)),
            rules=tuple(map(_by_name, filter(_is_rule, frontend))),
        )


def _facts(values: Iterable[tuple[str, object]]) -> dict[str, object]:
    """Return what templates are told, by variable: text, numbers, flags, lists of text; secrets are of another type."""
    return {
        name.upper(): str(value) if isinstance(value, Path) else value for name, value in values if _is_plain(value)
    }


def _is_plain(value: object) -> bool:
    if isinstance(value, tuple):
        return all(isinstance(item, str) for item in value)
    return value is None or isinstance(value, str | int | float | Path)


def _lines(name: str, settings: Frozen, facts: Mapping[str, object]) -> tuple[str, ...]:
    try:
        return tuple(map(_checked, split_lines(rendered(getattr(settings, name), facts, FILE))))
    except ValueError as error:
        raise ValueError(f"the variable {name.upper()} (or secret dfp_{name}) {error}") from None


def _checked(line: str) -> str:
    if not line.replace("\t", " ").isprintable():
        raise ValueError("has a control character in it")
    keyword = re.split(r"[ \t]", line, maxsplit=1)[0]
    if not re.fullmatch(r"#.*|[a-z][a-z0-9._-]*", keyword) or keyword in _SECTIONS:
        raise ValueError(f"has a line that does not belong to its section, beginning with {keyword!r}")
    return line


def _is_rule(line: str) -> bool:
    return line.startswith("use_backend ")


def _by_name(rule: str) -> str:
    """Have a rule find its backend when it is needed, for backends come and go."""
    return _RULE.sub(r"use_backend %[str(\g<name>)]\g<rest>", rule) if _RULE.fullmatch(rule) else rule
