"""Predicates as HAProxy tests them, in plain Python; all text is in bytes, as it is there.

Source: Configuration manual 7.1 (how samples are matched) and 7.3.6 (``req.hdr``, ``req.fhdr``).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import MappingProxyType

import regex

from models.passthrough import NAME
from models.predicates import Predicate

_GLANCE, _PATIENCE = 0.002, 0.05
"""Seconds that a regular expression may take, and that a slow one may; whoever asks chooses the text.

HAProxy has limits of its own.
"""
_MOST_SLOW = 8
"""Slow expressions before no more is tried. So a thousand that are written to be slow take a second, not a minute."""

_PIECES = re.compile(rb'"(?:\\.|[^"\\])*"?|,|[^",]+', re.DOTALL)
_HEADER = re.compile(r"(?:req\.)?(?P<whole>f?)hdr(?:_(?P<method>beg|sub|reg))?\((?P<name>[^)]+)\)")


@dataclass(slots=True)
class Expressions:
    """Regular expressions in the syntax of HAProxy's library (PCRE); those that take too long are given up."""

    _slow: int = 0

    def found(self, pattern: str, text: bytes, *, ignore_case: bool = False) -> bool | None:
        """Return whether an expression is found in a text; None if that cannot be told."""
        count = self._counted(pattern, lambda match: match[0], text, "i" if ignore_case else "")
        return None if count is None else count[1] > 0

    def substituted(self, pattern: str, replacement: str, text: bytes, flags: str) -> bytes | None:
        r"""Return a text with what was found replaced, everywhere with the flag ``g``; None if that cannot be told.

        ``replacement`` has ``\1`` for what the first group has found. Source: Configuration manual 7.3.1, ``regsub``.
        """
        count = self._counted(pattern, lambda match: _filled(replacement.encode(), match), text, flags)
        return None if count is None else count[0]

    def _counted(
        self, pattern: str, replacement: Callable[["regex.Match[bytes]"], bytes], text: bytes, flags: str
    ) -> tuple[bytes, int] | None:
        if self._slow >= _MOST_SLOW:
            return None
        try:
            compiled = regex.compile(pattern.encode(), regex.IGNORECASE if "i" in flags else 0)
        except regex.error:
            return None
        for seconds in (_GLANCE, _PATIENCE):
            with suppress(TimeoutError):
                return compiled.subn(replacement, text, count=0 if "g" in flags else 1, timeout=seconds)
            self._slow += 1
        return None


def _filled(replacement: bytes, match: "regex.Match[bytes]") -> bytes:
    """Return a replacement with what the groups have found."""

    def part(escape: "re.Match[bytes]") -> bytes:
        sign = escape[1]
        if not sign.isdigit():
            return sign
        return match[int(sign)] or b"" if int(sign) <= match.re.groups else b""

    return re.sub(rb"\\(.)", part, replacement, flags=re.DOTALL)


@dataclass(frozen=True, slots=True)
class Facts:
    """What predicates ask of a request.

    ``host`` is the header, ``name`` the host as it is looked up, ``path`` the path that rules go by; the names of
    ``headers`` are in lower case.
    """

    host: bytes
    name: bytes
    path: bytes
    port: int
    headers: Sequence[tuple[str, bytes]] = ()
    expressions: Expressions = field(default_factory=Expressions)

    def values(self, name: str, *, whole: bool = False) -> list[bytes]:
        """Return the values of a header: what is between commas, or each line as a ``whole``."""
        given = [("host", self.host), *self.headers]
        lines = [value for known, value in given if known == name.lower()]
        return lines if whole else [part for line in lines for part in divided(line)]


def divided(value: bytes) -> list[bytes]:
    """Return the parts of a header's value between commas that are not in quotes."""
    parts = [b""]
    for piece in _PIECES.findall(value):
        if piece == b",":
            parts.append(b"")
        else:
            parts[-1] += piece
    return [part.strip(b" \t") for part in parts]


def holds(predicate: Predicate, facts: Facts) -> bool | None:
    """Return whether a predicate holds for a request; None if that cannot be told here."""
    results = {
        _matches(method, pattern, value, predicate, facts.expressions)
        for method, value in _values(predicate, facts)
        for pattern in predicate.patterns
    }
    if True in results:
        return not predicate.negated
    return None if None in results else predicate.negated


def all_hold(predicates: Iterable[Predicate], facts: Facts) -> bool | None:
    """Return whether all predicates hold; None if that cannot be told."""
    results = {holds(each, facts) for each in predicates}
    if False in results:
        return False
    return None if None in results else True


def _values(predicate: Predicate, facts: Facts) -> Iterator[tuple[str, bytes]]:
    """Yield what is compared, each with how; nothing if the request has nothing of the kind."""
    named = "-m" in predicate.flags
    method = predicate.flags[predicate.flags.index("-m") + 1] if named else "str"
    if predicate.fetch == "dst_port":
        yield "str", str(facts.port).encode()
    elif predicate.fetch == "var(txn.path)":
        yield method, facts.path
    elif predicate.fetch == NAME:
        yield method, facts.name
    elif header := _HEADER.fullmatch(predicate.fetch):
        for value in facts.values(header["name"], whole=bool(header["whole"])):
            yield header["method"] or method, value
    else:
        yield "unknown", b""


def _matches(method: str, pattern: str, value: bytes, predicate: Predicate, expressions: Expressions) -> bool | None:
    ignore_case = "-i" in predicate.flags
    if method == "reg":
        return expressions.found(pattern, value, ignore_case=ignore_case)
    compare = _COMPARISONS.get(method)
    if compare is None:
        return None
    wanted = pattern.encode()
    return compare(value.lower(), wanted.lower()) if ignore_case else compare(value, wanted)


def _has_word(value: bytes, wanted: bytes, between: bytes) -> bool:
    """Return whether a text is there between two delimiters, or at an end."""
    word = wanted.strip(between)
    edge = b"[" + re.escape(between) + b"]"
    return (
        bool(word) and re.search(b"(?:^|" + edge + b")" + re.escape(word) + b"(?:$|" + edge + b")", value) is not None
    )


_COMPARISONS: Mapping[str, Callable[[bytes, bytes], bool]] = MappingProxyType(
    {
        "str": lambda value, wanted: value == wanted,
        "beg": lambda value, wanted: value.startswith(wanted),
        "end": lambda value, wanted: value.endswith(wanted),
        "sub": lambda value, wanted: wanted in value,
        "dir": lambda value, wanted: _has_word(value, wanted, b"/?"),
        "dom": lambda value, wanted: _has_word(value, wanted, b"/?.:"),
    }
)
