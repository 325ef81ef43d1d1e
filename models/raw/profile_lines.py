"""Lines that a service adds to its backends: what they may be, so that they concern this service only.

They are written into a ``defaults`` section (Configuration manual 4.1), of which all backends of the service are made.
A line is allowed if its first word is on the list, and everything behind it is of the form that is given there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from models.raw import actions
from models.raw.actions import Action, check_action, check_arguments
from models.raw.expressions import (
    OWN_CONNECTIONS,
    OWN_MESSAGES,
    PREDEFINED,
    PREDEFINED_OF_BYTES,
    Language,
    check_expression,
    check_format,
    check_test,
)
from models.raw.words import joined, lines_of, split_words
from models.types import is_name

Mode = Literal["http", "tcp"]
_MOST_LINES = 200
GENERATED_ACLS = frozenset(
    {
        "another_method",
        "asks_allowed_methods",
        "asks_allowed_src",
        "asks_denied_methods",
        "asks_denied_src",
        "asks_login",
        "is_challenge",
        "is_insecure",
        "is_odd",
        "is_stranger",
    }
)
"""ACLs of other labels, which a line must not widen."""

_WORDS = {
    "option of http": "abortonclose allbackups checkcache forwarded forwardfor http-buffer-request "
    "http-drop-request-trailers http-drop-response-trailers http-keep-alive http-no-delay http-pretend-keepalive "
    "http-restrict-req-hdr-names http-server-close httpchk httpclose independent-streams ldap-check log-health-checks "
    "mysql-check originalto persist pgsql-check prefer-last-server redis-check redispatch smtpchk srvtcpka "
    "ssl-hello-chk tcp-check tcp-smart-connect tcpka",
    "option of tcp": "abortonclose allbackups httpchk independent-streams ldap-check log-health-checks mysql-check "
    "nolinger persist pgsql-check redis-check redispatch smtpchk srvtcpka ssl-hello-chk tcp-check tcp-smart-connect "
    "tcpka",
    "timeout of http": "check connect http-keep-alive http-request queue server server-fin tarpit tunnel",
    "timeout of tcp": "check connect queue server server-fin tunnel",
    "balance of http": "first hash hdr leastconn random rdp-cookie roundrobin source static-rr uri url_param",
    "balance of tcp": "first hash leastconn random rdp-cookie roundrobin source static-rr",
    "persist of http": "rdp-cookie",
    "persist of tcp": "rdp-cookie",
}
"""The second words of lines that are allowed, by the first one and the mode."""

_HASHING = frozenset({"source", "uri", "url_param", "hdr", "hash", "rdp-cookie"})
"""The ways of balancing that choose a server by a hash."""

_CONNECT = {
    **dict.fromkeys(("default", "ssl", "linger", "send-proxy"), ""),
    **dict.fromkeys(("port", "sni", "alpn", "proto", "comment"), "word"),
}
_CHECKS: Mapping[str, Mapping[str, Action | None]] = {
    "http-check": {
        "comment": Action("word"),
        "connect": Action("", _CONNECT),
        "disable-on-404": Action(),
        "expect": None,
        "send": Action(
            "",
            {
                **dict.fromkeys(("meth", "uri", "ver", "comment"), "word"),
                "uri-lf": "format",
                "hdr": "word format",
                "body": "text",
                "body-lf": "text",
            },
        ),
        "send-state": Action(),
    },
    "tcp-check": {
        "comment": Action("word"),
        "connect": Action("", _CONNECT),
        "expect": None,
        "send": Action("text", {"comment": "word"}),
        "send-lf": Action("text", {"comment": "word"}),
        "send-binary": Action("word", {"comment": "word"}),
        "send-binary-lf": Action("text", {"comment": "word"}),
    },
}
"""What health checks may do; None: any words. They ask the service's own addresses, never others (``addr``)."""

_INSTEAD = {
    "server": "servers are made from the tasks of the service, or from com.df.outboundHostname; leave this line out, "
    "and write labels for what follows the address",
    "server-template": "servers are made from the tasks of the service; leave this line out",
    "default-server": "options of servers come from labels",
    "backend": "a backend is made for each destination, and these lines are put into it; leave this line out",
    "mode": "it comes from com.df.reqMode; leave this line out",
    "errorfile": "it reads a file; write 'http-error status 503 content-type text/html string ...'",
    "errorfiles": "it reads files; write 'http-error status 503 content-type text/html string ...'",
    "stick-table": "what is counted is shared; com.df.rateLimit limits requests",
    "stick": "what is remembered is shared; com.df.sessionType=sticky-server binds clients to servers",
    "use_backend": "a template of com.df.templateFePath has such lines",
    "redirect": "write 'http-request redirect ...'",
    "reqrep": "HAProxy has no such line any more; write 'http-request replace-path ...'",
    "rspadd": "HAProxy has no such line any more; write 'http-response add-header ...'",
    "reqadd": "HAProxy has no such line any more; write 'http-request add-header ...'",
    "log": "where the log goes is up to the proxy",
    "stats": "the statistics tell of all services",
    "bind": "ports are opened with com.df.srcPort, or by the proxy",
}


@dataclass(slots=True)
class _Lines:
    """What is known while lines are checked: the mode, and the ACLs that have been defined."""

    mode: Mode
    names: set[str]

    @property
    def language(self) -> Language:
        """What expressions may use."""
        return OWN_MESSAGES if self.mode == "http" else OWN_CONNECTIONS


def profile_lines(text: str, mode: Mode, *, defined: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the lines of a text as they are to be written into a profile; comments are left out.

    Args:
        text: what was written, a line each.
        mode: of the backend.
        defined: lines that stand before them, whose ACLs they may use.

    Raises:
        ValueError: a line is not allowed; the message has its number and why.
    """
    found: list[str] = []
    lines = _Lines(mode, {line.split()[1] for line in defined if line.startswith("acl ")})
    for number, line in lines_of(text):
        try:
            words = split_words(line)
            if words:
                found.append(joined(_checked(words, lines)))
        except ValueError as error:
            raise ValueError(f"is refused: line {number} {error}") from None
    if len(found) > _MOST_LINES:
        raise ValueError(f"has more than {_MOST_LINES} lines")
    return (*found, *_needed_by(found))


def _needed_by(lines: Sequence[str]) -> Iterator[str]:
    """Return what lines need so that servers can come and go at run time: a hash that their number does not change."""
    hashes = any(line.split()[1].partition("(")[0] in _HASHING for line in lines if line.startswith("balance "))
    if hashes and not any(line.startswith("hash-type ") for line in lines):
        yield "hash-type consistent"


def _checked(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    keyword = words[0]
    if keyword == "no" and words[1:2] == ("option",):
        return ("no", *_one_of(words[1:], lines))
    check = _KEYWORDS[lines.mode].get(keyword)
    if check is None:
        raise ValueError(refusal(keyword, _KEYWORDS[lines.mode]))
    return check(words, lines)


def refusal(keyword: str, allowed: Iterable[str]) -> str:
    """Return why a line cannot begin with a word; the word itself is told only if it is one of HAProxy's."""
    reason = _INSTEAD.get(keyword)
    if reason:
        return f"begins with {keyword!r}, which is not allowed here: {reason}"
    return f"does not begin with one of the words that are allowed: {', '.join(sorted(allowed))}"


def _literal(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    for word in words[1:]:
        if not word or not word.isprintable():
            raise ValueError("has an empty word, a line break or a tab in it")
        check_format(word, lines.language)
    return words


def _one_of(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    allowed = _WORDS[f"{words[0]} of {lines.mode}"].split()
    if len(words) == 1 or words[1].partition("(")[0] not in allowed:
        raise ValueError(f"begins with {words[0]!r} and goes on with none of these: {', '.join(allowed)}")
    return _literal(words, lines)


def _balance(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    if words[1:2] == ("hash",):
        if len(words) != 3:  # noqa: PLR2004 - "balance hash EXPRESSION"
            raise ValueError("needs one expression behind 'balance hash'")
        check_expression(words[2], lines.language)
    return _one_of(words, lines)


def _acl(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    name = check_acl_name(words)
    if name in GENERATED_ACLS:
        raise ValueError(f"defines the ACL {name!r}, whose name is used by other labels")
    lines.names.add(name)
    return ("acl", name, *check_test(words[2:], lines.language))


def check_acl_name(words: tuple[str, ...]) -> str:
    """Return the name that an ``acl`` line defines.

    Raises:
        ValueError: it has none, or one that HAProxy would not take for a name.
    """
    name = words[1] if len(words) > 1 else ""
    if not is_name(name) or name.lower() == "or":
        raise ValueError("lacks the name of its ACL, of letters, digits, '_', '.' and '-'")
    if name in PREDEFINED | PREDEFINED_OF_BYTES:
        raise ValueError(f"defines the ACL {name!r}, which HAProxy has already")
    return name


def _rule(allowed: Mapping[str, Action]) -> Callable[[tuple[str, ...], _Lines], tuple[str, ...]]:
    return lambda words, lines: (words[0], *check_action(words[1:], allowed, lines.names, lines.language))


def _content(allowed: Mapping[Mode, Mapping[str, Action]]) -> Callable[[tuple[str, ...], _Lines], tuple[str, ...]]:
    def check(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
        if words[1:2] == ("inspect-delay",):
            return _whole(words, 2, Action("time"), lines)
        if words[1:2] != ("content",):
            raise ValueError(f"begins with {words[0]!r} and goes on with neither 'content' nor 'inspect-delay'")
        return (*words[:2], *check_action(words[2:], allowed[lines.mode], lines.names, lines.language))

    return check


def _check(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    allowed = _CHECKS[words[0]]
    if len(words) == 1 or words[1] not in allowed:
        raise ValueError(f"begins with {words[0]!r} and goes on with none of these: {', '.join(sorted(allowed))}")
    action = allowed[words[1]]
    if action is not None:
        return _whole(words, 2, action, lines)
    if "status-code" in words:
        raise ValueError("has the word 'status-code', which is not allowed here")
    return _literal(words, lines)


def _http_error(words: tuple[str, ...], lines: _Lines) -> tuple[str, ...]:
    return _whole(words, 1, Action("", actions.HTTP_REQUEST["return"].options), lines)


def _whole(words: tuple[str, ...], start: int, action: Action, lines: _Lines) -> tuple[str, ...]:
    """Check that all that follows is an action's."""
    end = start + check_arguments(words[start:], action, lines.language)
    if end < len(words):
        expected = ", ".join(sorted(action.options)) or "nothing"
        raise ValueError(actions.unexpected(words[end], f"{expected} belongs"))
    return words


_Check = Callable[[tuple[str, ...], _Lines], tuple[str, ...]]
_COMMON: dict[str, _Check] = {
    "acl": _acl,
    "balance": _balance,
    "fullconn": _literal,
    "hash-balance-factor": _literal,
    "hash-preserve-affinity": _literal,
    "hash-type": _literal,
    "http-check": _check,
    "max-keep-alive-queue": _literal,
    "option": _one_of,
    "persist": _one_of,
    "retries": _literal,
    "srvtcpka-cnt": _literal,
    "srvtcpka-idle": _literal,
    "srvtcpka-intvl": _literal,
    "tcp-check": _check,
    "tcp-request": _content({"http": actions.CONTENT_OF_REQUESTS, "tcp": actions.CONTENT_OF_CONNECTIONS}),
    "timeout": _one_of,
}
_KEYWORDS: Mapping[Mode, Mapping[str, _Check]] = {
    "tcp": {
        **_COMMON,
        "tcp-response": _content({"http": actions.CONTENT_OF_RESPONSES, "tcp": actions.CONTENT_OF_RESPONSES}),
    },
    "http": {
        **_COMMON,
        "compression": _literal,
        "cookie": _literal,
        "errorloc": _literal,
        "errorloc302": _literal,
        "errorloc303": _literal,
        "http-after-response": _rule(actions.HTTP_AFTER_RESPONSE),
        "http-error": _http_error,
        "http-request": _rule(actions.HTTP_REQUEST),
        "http-response": _rule(actions.HTTP_RESPONSE),
        "http-reuse": _literal,
        "http-send-name-header": _literal,
        "retry-on": _literal,
    },
}

ALLOWED = ", ".join(sorted(_KEYWORDS["http"]))
"""The first words of lines that are allowed, for people."""
