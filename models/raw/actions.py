"""What rules may do: the actions of ``http-request`` and its like, each with the form of its arguments.

An action is here if it ends with the request it is about. Those that read files (``return file``), change what is
shared (``set-map``, ``track-sc0``, ``set-tos`` on a client's connection, which carries requests for others as well),
call something (``lua``, ``use-service``, ``do-resolve``) or close the client's connection (``reject``,
``silent-drop``) are not. Source: Configuration manual 4.3 and 4.4.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from models.raw.expressions import Language, check_condition, check_expression, check_format
from models.raw.words import shown_word

_TIME = re.compile(r"[0-9]{1,9}(us|ms|s|m|h|d)?", re.ASCII)
_VARIABLE_ACTION = re.compile(
    r"(?P<name>set-var|set-var-fmt|unset-var)\((txn|req|res)\.[A-Za-z0-9_.]+(,[a-z]+)*\)", re.ASCII
)


def _check_one_line(text: str, language: Language) -> None:
    if not text.isprintable():
        raise ValueError("has a line break or a tab in it")
    check_format(text, language)


def _check_amount(text: str, language: Language) -> None:
    if not _TIME.fullmatch(text):
        check_expression(text, language)


def _check_time(text: str, _language: Language) -> None:
    if not _TIME.fullmatch(text):
        raise ValueError(f"has {shown_word(text)} where a number of milliseconds belongs, or a time such as 5s")


_KINDS: dict[str, Callable[[str, Language], None]] = {
    "word": _check_one_line,
    "format": _check_one_line,
    "text": check_format,
    "expression": check_expression,
    "amount": _check_amount,
    "time": _check_time,
}
"""How arguments are checked; even what HAProxy takes as plain text may hold no expression that is refused elsewhere."""


@dataclass(frozen=True, slots=True)
class Action:
    """The form of an action: its arguments in order by kind, and the options that may follow, with theirs."""

    arguments: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


_ANSWER = {
    **dict.fromkeys(("status", "deny_status", "content-type"), "word"),
    "string": "text",
    "lf-string": "text",
    "hdr": "word format",
    "default-errorfiles": "",
}
_REDIRECT = {
    **dict.fromkeys(("code", "clear-cookie", "set-cookie"), "word"),
    **dict.fromkeys(("drop-query", "keep-query", "append-slash", "ignore-empty"), ""),
    "set-cookie-fmt": "format",
}
_HEADERS = {
    "add-header": Action("word format"),
    "set-header": Action("word format"),
    "del-header": Action("word", {"-m": "word"}),
    "replace-header": Action("word word format"),
    "replace-value": Action("word word format"),
}
_EVERYWHERE = {"set-log-level": Action("word"), "allow": Action(), "strict-mode": Action("word")}
_PRIORITY = {"set-priority-class": Action("expression"), "set-priority-offset": Action("expression")}
_ADDRESS = {
    "set-src": Action("expression"),
    "set-src-port": Action("expression"),
    "set-retries": Action("amount"),
}
_WAIT = {"wait-for-body": Action("", {"time": "time", "at-least": "word"})}

HTTP_REQUEST: Mapping[str, Action] = {
    **_HEADERS,
    **_EVERYWHERE,
    **_PRIORITY,
    **_ADDRESS,
    **_WAIT,
    "deny": Action("", _ANSWER),
    "tarpit": Action("", _ANSWER),
    "return": Action("", _ANSWER),
    "redirect": Action("word format", _REDIRECT),
    "early-hint": Action("word format"),
    "disable-l7-retry": Action(),
    "replace-path": Action("word format"),
    "replace-pathq": Action("word format"),
    "replace-uri": Action("word format"),
    "set-method": Action("format"),
    "set-path": Action("format"),
    "set-pathq": Action("format"),
    "set-query": Action("format"),
    "set-uri": Action("format"),
    "set-timeout": Action("word amount"),
    "wait-for-handshake": Action(),
}
HTTP_RESPONSE: Mapping[str, Action] = {
    **_HEADERS,
    **_EVERYWHERE,
    **_WAIT,
    "deny": Action("", _ANSWER),
    "return": Action("", _ANSWER),
    "redirect": Action("word format", _REDIRECT),
    "set-status": Action("word", {"reason": "word"}),
    "set-timeout": Action("word amount"),
}
HTTP_AFTER_RESPONSE: Mapping[str, Action] = {
    **_HEADERS,
    **_EVERYWHERE,
    "set-status": Action("word", {"reason": "word"}),
}
CONTENT_OF_REQUESTS: Mapping[str, Action] = {
    "accept": Action(),
    "set-log-level": Action("word"),
    **_PRIORITY,
}
"""``tcp-request content`` before HTTP rules: it keeps nothing, for the password of a user is still in the request."""
CONTENT_OF_CONNECTIONS: Mapping[str, Action] = {**CONTENT_OF_REQUESTS, **_ADDRESS, "reject": Action()}
"""``tcp-request content`` with ``reqMode=tcp``, where the connection is for this service alone."""
CONTENT_OF_RESPONSES: Mapping[str, Action] = {"accept": Action(), "close": Action(), "set-log-level": Action("word")}

_WITH_VARIABLES = (HTTP_REQUEST, HTTP_RESPONSE, HTTP_AFTER_RESPONSE, CONTENT_OF_CONNECTIONS)
_VARIABLE_ARGUMENTS = {"set-var": "expression", "set-var-fmt": "format", "unset-var": ""}

_INSTEAD = {
    "reject": "it closes the client's connection, which others may use, too; write 'deny'",
    "silent-drop": "it drops the client's connection, which others may use, too; write 'deny'",
    "auth": "users are asked for with com.df.users",
    "file": "it reads a file; write 'string' or 'lf-string'",
    "lf-file": "it reads a file; write 'string' or 'lf-string'",
    "errorfile": "it reads a file; write 'string' or 'lf-string'",
    "via-socks4": "checks ask the service's own addresses",
}


def check_action(
    words: tuple[str, ...], actions: Mapping[str, Action], names: set[str], language: Language
) -> tuple[str, ...]:
    """Check an action with its arguments and condition, and return it as it is to be written.

    Args:
        words: what follows ``http-request`` or the like.
        actions: those that are allowed there.
        names: the ACLs that have been defined.
        language: what expressions may use.

    Raises:
        ValueError: the action, or something in it, is not allowed.
    """
    if not words:
        raise ValueError("lacks its action")
    action = _action_of(words[0], actions)
    end = check_arguments(words[1:], action, language) + 1
    rest = words[end:]
    if not rest:
        return words
    if rest[0] not in ("if", "unless"):
        options = ", ".join((*sorted(action.options), "if", "unless"))
        raise ValueError(unexpected(rest[0], f"one of these belongs: {options}"))
    return (*words[: end + 1], *check_condition(rest[1:], language, names))


def _action_of(word: str, actions: Mapping[str, Action]) -> Action:
    if word in actions:
        return actions[word]
    variable = _VARIABLE_ACTION.fullmatch(word)
    if variable and any(actions is each for each in _WITH_VARIABLES):
        return Action(_VARIABLE_ARGUMENTS[variable["name"]])
    if word.partition("(")[0] in _VARIABLE_ARGUMENTS:
        raise ValueError("changes a variable that is not this request's; use one whose name begins with 'txn.'")
    why = _INSTEAD.get(word, f"allowed are {', '.join(sorted(actions))}")
    raise ValueError(f"has the action {shown_word(word)}, which is not allowed here: {why}")


def check_arguments(words: tuple[str, ...], action: Action, language: Language) -> int:
    """Check the arguments and options of an action, and return how many words they are.

    Raises:
        ValueError: some are missing, or one is not allowed.
    """
    position = _check_kinds(words, 0, action.arguments, language)
    while position < len(words) and words[position] in action.options:
        position = _check_kinds(words, position + 1, action.options[words[position]], language)
    return position


def _check_kinds(words: tuple[str, ...], start: int, kinds: str, language: Language) -> int:
    position = start
    for kind in kinds.split():
        if position >= len(words):
            raise ValueError("lacks an argument at its end")
        _KINDS[kind](words[position], language)
        position += 1
    return position


def unexpected(word: str, expected: str) -> str:
    """Return in words that a word is not among those that are expected."""
    if word in _INSTEAD:
        return f"has the word {word!r}, which is not allowed here: {_INSTEAD[word]}"
    return f"has the word {shown_word(word)} where {expected}"
