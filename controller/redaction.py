"""What may be shown of a configuration, and of HAProxy's words about it: everything but what may be secret. Pure."""

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from models.credentials import may_be_shown

HIDDEN = "(hidden)"
_NOTE = re.compile(r" +# (?P<count>\d+) lines of \S.*:")
_WRITTEN_BY_SOMEBODY = re.compile(r"(?P<shown> *\S+)(?P<hidden> +\S.*)")
_KINDS = ("request", "response", "after-response")
_SUSPECTS = (
    *("user ", "stats auth ", r"# \d"),
    *(f"http-{kind} {verb}-header " for kind in _KINDS for verb in ("add", "set", "replace")),
)
"""What the lines begin with that have to be looked at closely, as patterns: few of many thousand."""
_LINE = re.compile(r"\n(?P<line>.*)")
_SUSPECT = re.compile(rf"\n(?P<line> *(?:{'|'.join(_SUSPECTS)}).*)")
_SECRETS = (
    re.compile(r"(?P<shown> *user \S+ (?:insecure-)?password)(?P<hidden> .+)"),
    re.compile(r"(?P<shown> *stats auth)(?P<hidden> .+)"),
    re.compile(r"(?P<shown> *http-request (?:add|set|replace)-header (?!X-Forwarded-)\S+)(?P<hidden> .+)"),
    re.compile(
        r"(?P<shown> *http-(?:request|(?:after-)?response) (?:add|set|replace)-header "
        r"\S*(?:auth|cookie|token|secret|key|pass)\S*)(?P<hidden> .+)",
        re.IGNORECASE,
    ),
)
_PLAIN = re.compile(r"[a-z][a-z._-]*|[0-9]+")
"""What HAProxy's own words look like; a secret that looks like one of them is shown with them."""
_SHORTEST = 4
_QUOTED = re.compile(r"'[^'\n]*'")
_CONDITION = frozenset({"if", "unless"})
_BETWEEN_WORDS = re.compile(r"[\s\"']+")
_BETWEEN_PARTS = re.compile(r"[\s\"'()\[\]{}%=:,|]+")


def redacted(configuration: str) -> str:
    """Return a configuration without passwords, values of headers for services, and lines that somebody has written.

    Of such a line, from a label or a variable, the first word is left; a comment above says how many there are.
    """
    return "\n".join(
        shown + (f" {HIDDEN}" if hidden else "") for shown, hidden in map(_divided, _pieces(configuration))
    )


def redacted_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a service's labels without the values that may be secret."""
    return {label: value if may_be_shown(label) else HIDDEN for label, value in labels.items()}


def redacted_words(words: str, configuration: str) -> str:
    """Return HAProxy's words about a configuration without what `redacted` hides of it.

    HAProxy repeats what it does not like. Numbers and words in small letters, as its own are, stay, as do very short
    ones: unless they are in quotes, as what it repeats is, and of a line whose value is a secret for certain.
    """
    suspects = [piece for piece in _pieces(configuration) if piece.patterns]
    secrets = {
        part
        for _, hidden in map(_divided, suspects)
        if hidden
        for pattern in (_BETWEEN_WORDS, _BETWEEN_PARTS)
        for part in pattern.split(hidden)
        if len(part) >= _SHORTEST and part in words and not _PLAIN.fullmatch(part)
    }
    for secret in sorted(secrets, key=lambda text: (-len(text), text)):
        words = words.replace(secret, HIDDEN)
    if _QUOTED.search(words) and (plain := _plain_secrets(piece.text for piece in suspects)):
        some = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, sorted(plain, key=len, reverse=True)))})(?![\w-])")
        words = _QUOTED.sub(lambda quoted: some.sub(HIDDEN, quoted[0]), words)
    return words


def _plain_secrets(lines: Iterable[str]) -> set[str]:
    """Return the parts of secret values that look like words of HAProxy's own."""
    hidden = (match["hidden"] for line in lines for pattern in _SECRETS if (match := pattern.fullmatch(line)))
    parts = {part for text in hidden for part in _BETWEEN_PARTS.split(text)}
    return {part for part in parts if part and (len(part) < _SHORTEST or _PLAIN.fullmatch(part))} - _CONDITION


class _Piece(NamedTuple):
    """A line, with the patterns of what it may hide; or without any, for it hides nothing, and likewise several."""

    text: str
    patterns: tuple[re.Pattern[str], ...] = ()


def _pieces(configuration: str) -> Iterator[_Piece]:
    text = f"\n{configuration}"
    place, written = 0, 0
    while found := (_LINE if written else _SUSPECT).search(text, place):
        if place < found.start():
            yield _Piece(text[place + 1 : found.start()])
        line, place = found["line"], found.end()
        yield _Piece(line, (_WRITTEN_BY_SOMEBODY,) if written else _SECRETS)
        note = _NOTE.fullmatch(line)
        written = int(note["count"]) if note else max(0, written - 1)
    if place < len(text):
        yield _Piece(text[place + 1 :])


def _divided(piece: _Piece) -> tuple[str, str]:
    """Divide a piece into what is shown and what is not."""
    match = next(filter(None, (pattern.fullmatch(piece.text) for pattern in piece.patterns)), None)
    return (match["shown"], match["hidden"]) if match else (piece.text, "")
