"""Labels that change the path on its way to the service."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator

from models.labels._table import Effect, Family, Label
from models.types import Allowed, SafeText, reject_markup

_EXPRESSION = "HAProxy takes regular expressions only from its configuration"

_OPENING = {"(": ")", "[": "]", "{": "}"}
_FLAGS = ("", "g", "i", "gi", "ig")


@dataclass(frozen=True, slots=True)
class PathRewrite:
    r"""One substitution in the path, as ``sed`` would do it: ``s/search/replace/flags``.

    ``search`` is a regular expression in the syntax of HAProxy's library (PCRE), ``replace`` may use ``\1``.
    Source: Configuration manual 7.3.1, ``regsub``.
    """

    search: str
    replace: str
    flags: str = ""


def split_outside_groups(text: str, divider: str) -> list[str]:
    r"""Divide a text at each ``divider`` that is neither inside ``()``, ``[]`` or ``{}`` nor behind a backslash.

    A backslash before the divider only serves to keep it, and is dropped.

    Raises:
        ValueError: a group is opened and never closed.
    """
    parts, closing, position = [""], list[str](), 0
    while position < len(text):
        char = text[position]
        if char == "\\" and position + 1 < len(text):
            follower = text[position + 1]
            parts[-1] += follower if follower == divider else char + follower
            position += 2
            continue
        if closing and char == closing[-1]:
            closing.pop()
        elif char in _OPENING and (not closing or closing[-1] != "]"):
            closing.append(_OPENING[char])
        if char == divider and not closing:
            parts.append("")
        else:
            parts[-1] += char
        position += 1
    if closing:
        raise ValueError(f"lacks the closing '{closing[-1]}'")
    return parts


def _to_rewrite(pair: str) -> PathRewrite:
    parts = split_outside_groups(pair, ",")
    if len(parts) not in (2, 3) or not parts[0]:
        raise ValueError("is not of the form search,replace")
    rewrite = PathRewrite(*parts)
    if rewrite.flags not in _FLAGS:
        raise ValueError("has flags other than g and i")
    if " " in rewrite.replace:
        raise ValueError("has a replacement with a blank, which no path may hold")
    _check_expression(rewrite.search)
    return rewrite


def _check_expression(search: str) -> str:
    try:
        re.compile(search)
    except re.error as error:
        raise ValueError(f"has a search that is no regular expression ({error})") from None
    return search


def _to_rewrites(value: object) -> object:
    if not isinstance(value, str):
        return value
    return tuple(_to_rewrite(pair) for pair in split_outside_groups(reject_markup(value), ":"))


PathRewrites = Annotated[
    tuple[PathRewrite, ...],
    BeforeValidator(_to_rewrites),
    Allowed(
        "search,replace pairs divided by ':', search being a regular expression; a ',' or ':' outside of groups "
        "that belongs to it is written '\\,' or '\\:'"
    ),
]


Search = Annotated[SafeText, AfterValidator(_check_expression), Allowed("a regular expression")]


class Rewriting(Family):
    """How the path is changed before the request is sent on."""

    req_path_search_replace: Annotated[
        PathRewrites,
        Label(
            doc="Replaces the first part of the path that matches a regular expression. Several pairs are divided by "
            "`:` and done in order; a third part `g` replaces all matches, `i` ignores case. "
            "The query string is not touched.",
            example="/something/,/demo/",
            effect=Effect.PROFILE,
            why=_EXPRESSION,
        ),
    ] = ()
    req_path_search: Annotated[
        Search | None,
        Label(
            doc="With `reqPathReplace`: one substitution before those of `reqPathSearchReplace`.",
            example="/something/",
            indexed=False,
            effect=Effect.PROFILE,
            why=_EXPRESSION,
            deprecated="reqPathSearchReplace",
        ),
    ] = None
    req_path_replace: Annotated[
        SafeText,
        Label(
            doc="What `reqPathSearch` is replaced with.",
            example="/demo/",
            indexed=False,
            effect=Effect.PROFILE,
            why=_EXPRESSION,
            deprecated="reqPathSearchReplace",
        ),
    ] = ""

    @property
    def rewrites(self) -> tuple[PathRewrite, ...]:
        """All substitutions, in the order in which they are done."""
        first = (PathRewrite(self.req_path_search, self.req_path_replace),) if self.req_path_search else ()
        return (*first, *self.req_path_search_replace)
