"""Quoting: the only code that turns text into words of HAProxy's configuration language.

Source: Configuration manual 2.2 (quoting and escaping) and 7.3 (arguments of converters).
"""

from collections.abc import Sequence
from itertools import cycle

from models.predicates import Predicate
from models.types import reject_markup


def cfg(text: object) -> str:
    """Return one word of the configuration, in strong quotes: nothing inside means anything.

    Raises:
        ValueError: the text has a line break or another character that no word can hold.
    """
    word = str(text)
    if not word.isprintable():
        raise ValueError("a word of the configuration cannot hold a control character")
    return "'" + word.replace("'", "'\\''") + "'"


def argument(text: str) -> str:
    """Return one argument of a converter, in quotes of its own (inside the word that `cfg` makes).

    Raises:
        ValueError: the text holds a quote or other markup, which has no form inside an argument.
    """
    return f"'{reject_markup(text)}'"


def acl(predicate: Predicate) -> str:
    """Return an anonymous ACL (Configuration manual 7.2)."""
    words = (predicate.fetch, *predicate.flags, "--", *map(cfg, predicate.patterns))
    return f"{'!' if predicate.negated else ''}{{ {' '.join(words)} }}"


def logformat(parts: Sequence[str]) -> str:
    """Return one word that is a log-format: literal text and, at odd positions, sample expressions.

    Source: Configuration manual 8.2.6; the expressions have to be of a type that vouches for them.
    """
    pieces = [
        f"%[{part}]" if odd else part.replace("%", "%%") for part, odd in zip(parts, cycle((False, True)), strict=False)
    ]
    return cfg("".join(pieces))


def early(lines: Sequence[str], mode: str) -> list[str]:
    """Return the lines that belong before rules about requests, for HAProxy warns where they follow these."""
    return [line for line in lines if mode == "http" and line.startswith(("acl ", "tcp-"))]


FILTERS = {"cfg": cfg, "argument": argument, "logformat": logformat, "acl": acl, "early": early}
