"""Constrained types: every string that can reach HAProxy's configuration goes through one of these.

HAProxy accepts injected newlines and sample expressions without complaint, so the defence is here: a value
is either of a known shape or refused with a text that says what is allowed (`Allowed`).
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from ipaddress import ip_address
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, TypeAdapter, ValidationError, ValidationInfo

T = TypeVar("T")


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:  # noqa: ANN401 - any annotated type
    return TypeAdapter(kind)


def checked_as(kind: Any, value: str) -> str:  # noqa: ANN401 - likewise
    """Return the value as the type ``kind`` makes it.

    Raises:
        ValueError: it is not of that type; with the same words as if the field had that type.
    """
    try:
        return str(_adapter(kind).validate_python(value))
    except ValidationError as error:
        first = error.errors()[0]
        too_long = first["type"].endswith("too_long")
        raise ValueError("is too long" if too_long else first["msg"].removeprefix("Value error, ")) from None


@dataclass(frozen=True, slots=True)
class Allowed:
    """Metadata of a type: what its values may be, in words for the person who wrote the label."""

    text: str


_FORBIDDEN = (
    (re.compile(r"[\"'`]"), "a quote"),
    (re.compile(r"%\["), "'%[', which starts a HAProxy expression"),
    (re.compile(r"\{\{|\}\}|\{%"), "'{{', '}}' or '{%', which belong to templates"),
)
_ANY_FORBIDDEN = re.compile("|".join(pattern.pattern for pattern, _ in _FORBIDDEN))


def reject_markup(value: str) -> str:
    """Return the value if it holds nothing that means something to a configuration file or template.

    Raises:
        ValueError: it holds a line break, control character, quote, ``%[`` or template mark.
    """
    if not value.isprintable():
        raise ValueError("contains a line break, a control character or an invisible one")
    if _ANY_FORBIDDEN.search(value):
        found = next(name for pattern, name in _FORBIDDEN if pattern.search(value))
        raise ValueError(f"contains {found}")
    return value


def _matching(pattern: str, complaint: str) -> Callable[[str], str]:
    compiled = re.compile(pattern)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(complaint)
        return value

    return check


SafeText = Annotated[
    str,
    Field(max_length=4096),
    AfterValidator(reject_markup),
    Allowed("text without line breaks, quotes, '%[' or '{{'"),
]

AnyText = Annotated[str, Allowed("any text")]
"""Text that no rule, line or name is made of."""

_TRUE = frozenset({"1", "t", "true"})
_FALSE = frozenset({"0", "f", "false"})


def _to_flag(value: object) -> object:
    if not isinstance(value, str):
        return value
    if value.lower() in _TRUE | _FALSE:
        return value.lower() in _TRUE
    raise ValueError("is neither true nor false")


Flag = Annotated[bool, BeforeValidator(_to_flag), Allowed("true or false (also 1, t, 0, f)")]


def to_integer(*, signed: bool = False) -> BeforeValidator:
    """Return a validator that takes text for a whole number only if it is one, digits and nothing else."""
    pattern = re.compile(r"-?[0-9]{1,9}" if signed else r"[0-9]{1,9}", re.ASCII)

    def check(value: object) -> object:
        if isinstance(value, str) and not pattern.fullmatch(value):
            raise ValueError("is not a whole number")
        return value

    return BeforeValidator(check)


Number = Annotated[int, to_integer(), Allowed("a whole number")]
Port = Annotated[int, Field(ge=1, le=65535), to_integer(), Allowed("a port number from 1 to 65535")]


def _normal_domain(value: object) -> object:
    """Case, port and a trailing dot make no difference between domains, in labels as in requests."""
    if not isinstance(value, str) or value == "*.":  # which would otherwise be every domain
        return value
    return re.sub(r"(:[0-9]+)?$", "", value.lower()).rstrip(".")


DomainPattern = Annotated[
    str,
    BeforeValidator(_normal_domain),
    Field(max_length=253),
    AfterValidator(_matching(r"\*|\*?[a-z0-9._-]*[a-z0-9]", "is not a domain name")),
    Allowed("a domain (shop.example.com), or an ending after one leading '*' (*.example.com, *example.com)"),
]

PathPrefix = Annotated[
    str,
    Field(max_length=1024),
    AfterValidator(reject_markup),
    AfterValidator(
        _matching(r"/([A-Za-z0-9/._~!$&()*+,;=:@-]|%[0-9A-Fa-f]{2})*", "is not the beginning of a URL path")
    ),
    Allowed("a path that begins with '/', in the characters that URLs allow (others as %XX)"),
]


def is_name(text: str) -> bool:
    """Return whether a text can be the name of something in HAProxy."""
    return re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", text) is not None


def _name(value: str) -> str:
    if not is_name(value):
        raise ValueError("is not a name")
    return value


ObjectName = Annotated[
    str,
    Field(max_length=128),
    AfterValidator(_name),
    Allowed("letters, digits, '_', '.' and '-', beginning with a letter or digit"),
]


def _host(value: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9._-]+", value):
        return value
    try:
        return str(ip_address(value))
    except ValueError:
        raise ValueError("is neither a host name nor an address") from None


Address = Annotated[
    str,
    Field(max_length=253),
    AfterValidator(_host),
    Allowed("a host name or an IP address"),
]


def separator(info: ValidationInfo) -> str:
    """Return the list separator in force (variable ``SEPARATOR``), from the validation context."""
    context: dict[str, Any] = info.context or {}
    return str(context.get("separator", ","))


def _split(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    items = (item.strip(" ") for item in value.split(separator(info)))
    return tuple(item for item in items if item)


ListOf = Annotated[tuple[T, ...], BeforeValidator(_split)]
"""A tuple written as one text, its items divided by the list separator."""
