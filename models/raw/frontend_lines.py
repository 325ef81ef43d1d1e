"""Routes that a service brings in a template: tests of requests, and which of them lead to its own backends.

The frontend is everybody's, so there is nothing else that such lines may do. Their ACLs get a name that no other
service can have, and each route is looked at only when no label's route fits a request.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from models.raw.expressions import MATCHING, check_condition, check_test
from models.raw.profile_lines import check_acl_name
from models.raw.words import joined, lines_of, split_words

_MOST_LINES = 200
_INSTEAD = {
    "default_backend": "write com.df.isDefaultBackend=true instead",
    "http-request": "it would be about the requests of all services; com.df.templateBePath has lines for this one",
    "http-response": "it would be about the responses of all services; com.df.templateBePath has lines for this one",
    "bind": "ports are opened with BIND_PORTS of the proxy",
}


@dataclass(frozen=True, slots=True)
class OwnRoutes:
    """The routes that one service brings, as lines of the frontend: ``acls`` first, then ``rules`` in their order."""

    service: str
    acl_name: str
    acls: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()


def own_routes(text: str, *, service: str, acl_name: str, backends: Collection[str]) -> OwnRoutes:
    """Return the routes in a text, whose lines are ``acl NAME ...`` and ``use_backend NAME if|unless ...``.

    Args:
        text: what the template made.
        service: the name of the service, in Docker.
        acl_name: its name in HAProxy, which nobody else has.
        backends: its backends, the only ones that a rule may name.

    Raises:
        ValueError: a line is not allowed; the message has its number and why.
    """
    acls, rules = list[str](), list[str]()
    names: dict[str, str] = {}
    for number, line in lines_of(text):
        try:
            words = split_words(line)
            if words[:1] == ("acl",):
                name = check_acl_name(words)
                names[name] = f"{acl_name}:{name}"
                acls.append(joined(("acl", names[name], *check_test(words[2:], MATCHING))))
            elif words:
                rules.append(joined(_rule(words, names, backends)))
        except ValueError as error:
            raise ValueError(f"is refused: line {number} {error}") from None
    if len(acls) + len(rules) > _MOST_LINES:
        raise ValueError(f"has more than {_MOST_LINES} lines")
    if not rules:
        raise ValueError("has no 'use_backend' line, so it leads nowhere")
    return OwnRoutes(service, acl_name, tuple(acls), tuple(rules))


def _rule(words: tuple[str, ...], names: Mapping[str, str], backends: Collection[str]) -> tuple[str, ...]:
    """Return a rule that finds its backend by name when it is needed, so the backend may come and go."""
    if words[0] != "use_backend":
        raise ValueError(_refusal(words[0]))
    backend = words[1] if len(words) > 1 else ""
    if backend not in backends:
        raise ValueError(f"names the backend {backend[:60]!r}; those of this service are {', '.join(sorted(backends))}")
    if words[2:3] not in (("if",), ("unless",)):
        raise ValueError("needs 'if' or 'unless' with a condition; com.df.isDefaultBackend takes all that is left over")
    return (words[0], f"%[str({backend})]", words[2], *check_condition(words[3:], MATCHING, names))


def _refusal(keyword: str) -> str:
    reason = _INSTEAD.get(keyword)
    if reason:
        return f"begins with {keyword!r}, which is not allowed here: {reason}"
    return "begins with neither 'acl' nor 'use_backend'"
