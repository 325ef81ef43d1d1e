"""Words of HAProxy's language: a line is divided as HAProxy divides it, judged by its words, and written anew.

What was judged is therefore what HAProxy reads, whatever quotes were used. Source: Configuration manual 2.2.
"""

import re
from collections.abc import Iterator

_MOST_WORDS = 64
"""Words of a line (``MAX_LINE_ARGS``)."""
_LONGEST_LINE = 2000
"""Bytes of a line, less a reserve for the indentation (``LINESIZE`` is 2048)."""

_SHOWN = 40
_KEYWORD = re.compile(r"[a-z][a-z._-]*")
_PLAIN = re.compile(r"[A-Za-z0-9_./:,@%+*=(){}\[\]|!<>?&^~;-]+", re.ASCII)
_NOT_PRINTED = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
_ESCAPES = {" ": " ", "\\": "\\", "n": "\n", "r": "\r", "t": "\t", "#": "#", "'": "'", '"': '"'}
_CLOSING = {"(": ")", "[": "]", "{": "}"}


def shown_word(word: str) -> str:
    """Return a word of a line as it may be shown to everybody: one that can be a secret is not.

    What HAProxy's language consists of is written in small letters, and so are most slips of the pen. Of what has
    arguments the name is shown.
    """
    name, bracket, _ = word.partition("(")
    return repr(f"{name[:_SHOWN]}{bracket and '(...)'}") if _KEYWORD.fullmatch(name) else "(hidden)"


def split_words(line: str) -> tuple[str, ...]:
    """Divide a line into its words, without quotes and escapes; a comment is left out.

    Raises:
        ValueError: it has no form that HAProxy understands, or asks for a variable of the environment.
    """
    if not line.replace("\t", " ").isprintable():
        raise ValueError("has a control character or another invisible one in it")
    words, word, position, quote = list[str](), None, 0, ""
    while position < len(line):
        char = line[position]
        length, text = 1, char
        if char == "\\" and quote != "'":
            length, text = _escape(line[position:], quote)
        elif char in "\"'" and quote in ("", char):
            quote, text = ("" if quote else char), ""
        elif char == "#" and not quote:
            break
        elif char == "$" and quote == '"':
            raise ValueError("has a '$' in double quotes, which reads a variable of the environment")
        if char in " \t" and not quote:
            words, word = [*words, *([] if word is None else [word])], None
        else:
            word = (word or "") + text
        position += length
    if quote:
        raise ValueError(f"lacks the closing {quote}")
    return tuple(words if word is None else [*words, word])


def _escape(rest: str, quote: str) -> tuple[int, str]:
    r"""Return how long the escape at the beginning of ``rest`` is, and what it stands for; ``\1`` is none."""
    follower = rest[1:2]
    if follower == "x":
        digits = rest[2:4]
        if not re.fullmatch(r"[2-7][0-9A-Fa-f]", digits) or digits.lower() == "7f":
            raise ValueError(r"has a '\x' that is not followed by the two hexadecimal digits of an ASCII character")
        return 4, chr(int(digits, 16))
    if follower == "$" and quote == '"':
        return 2, "$"
    return (2, _ESCAPES[follower]) if follower in _ESCAPES else (1, "\\")


def joined(words: tuple[str, ...]) -> str:
    """Return a line with these words, each quoted if it needs to be.

    Raises:
        ValueError: the line is too long for HAProxy.
    """
    line = " ".join(map(_quoted, words))
    if len(words) > _MOST_WORDS or len(line.encode()) > _LONGEST_LINE:
        raise ValueError(f"has more than {_MOST_WORDS} words or {_LONGEST_LINE} bytes; divide it into several lines")
    return line


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    pieces = re.split(r"([\n\r\t])", word)
    return "".join(_NOT_PRINTED.get(piece) or _strong(piece) for piece in pieces if piece) or "''"


def _strong(piece: str) -> str:
    """Return a text in strong quotes, inside of which nothing means anything.

    Raises:
        ValueError: it holds a character that no word can have.
    """
    if not piece.isprintable():
        raise ValueError("has a control character or another invisible one in it")
    return "'" + piece.replace("'", "'\\''") + "'"


def lines_of(text: str) -> Iterator[tuple[int, str]]:
    """Return the lines of a text that are not empty, without blanks around them, each with its number (from 1)."""
    for number, line in enumerate(re.split(r"\r?\n", text), start=1):
        if bare := line.strip(" \t"):
            yield number, bare


def split_lines(text: str) -> tuple[str, ...]:
    """Divide a text at its line breaks; one that has none, at commas outside of quotes and brackets."""
    if "\n" in text:
        return tuple(line for _, line in lines_of(text))
    parts, closing, quote = [""], list[str](), ""
    for char in text:
        if char == "," and not closing and not quote:
            parts.append("")
            continue
        parts[-1] += char
        if quote or char in "\"'":
            quote = "" if char == quote else quote or char
        elif closing and char == closing[-1]:
            closing.pop()
        elif char in _CLOSING:
            closing.append(_CLOSING[char])
    return tuple(bare for part in parts if (bare := part.strip(" \t")))
