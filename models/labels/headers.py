"""Labels that change headers of requests and responses."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, ValidationInfo

from models.labels._table import Effect, Family, Label
from models.types import Allowed, ListOf, reject_markup, separator

_HEADER = "HAProxy takes names of headers only from its configuration"

_NAME = r"[A-Za-z0-9!#$&*+.^_|~-]{1,128}"
_ARGUMENT = r"\([A-Za-z0-9_.-]{0,64}\)"
_FETCHES = "|".join(
    (
        rf"(?:req\.|res\.)?hdr{_ARGUMENT}",
        r"(?:src|dst)(?:_port)?",
        "method|path|url|query",
        "ssl_fc(?:_protocol|_sni|_cipher)?",
        r"ssl_c_(?:verify|used|s_dn(?:\(cn\))?)",
        r"be_name|fe_name|uuid\(\)|date\(\)|hostname|env\(HOSTNAME\)",
    )
)
"""Sample fetches about the request at hand and the proxy's name; none that reads files or variables."""
_EXPRESSION = re.compile(rf"%\[((?:{_FETCHES})(?:,(?:lower|upper))*)\]")
_CONDITION = re.compile(
    rf"(?P<value>.+?) "
    rf"(?P<condition>(?:if|unless) !?\{{ (?:{_FETCHES})(?: -i)?(?: [A-Za-z0-9_./:][A-Za-z0-9_./:-]*)* \}})"
)


@dataclass(frozen=True, slots=True)
class HeaderValue:
    """A header with the value it gets.

    ``parts`` are pieces of literal text and, at odd positions, HAProxy sample expressions of a safe few.
    ``condition`` is HAProxy's, likewise, or empty. Source: Configuration manual, ``http-request set-header``.
    """

    name: str
    parts: tuple[str, ...]
    condition: str = ""


def _to_header(item: object) -> object:
    if not isinstance(item, str):
        return item
    name, _, rest = item.partition(" ")
    if not re.fullmatch(_NAME, name) or not rest.strip():
        raise ValueError("is not of the form 'Name value'")
    conditional = _CONDITION.fullmatch(rest.strip())
    value, condition = (conditional["value"], conditional["condition"]) if conditional else (rest.strip(), "")
    parts = tuple(_EXPRESSION.split(_plain(value)))
    for literal in parts[::2]:
        reject_markup(re.sub("[\"']", "", literal))  # quotes are ordinary signs of a value, as in 'self'
    return HeaderValue(name, parts, condition)


def _plain(value: str) -> str:
    r"""Return a value without the quotes around it and the backslashes before blanks.

    With DFP values were pasted into the configuration, so one with blanks had to be written as ``"a b"`` or ``a\ b``.
    """
    quoted = re.fullmatch(r"""(["'])((?:(?!\1).)*)\1""", value)
    return (quoted[2] if quoted else value).replace("\\ ", " ")


def _to_headers(value: object, info: ValidationInfo) -> object:
    """Divide a list of headers at the separator, where that is not part of an expression."""
    if not isinstance(value, str):
        return value
    items = re.findall(rf"(?:%\[[^]]*\]|[^{re.escape(separator(info))}])+", value)
    return tuple(item.strip() for item in items if item.strip())


def _header_name(value: str) -> str:
    if not re.fullmatch(_NAME, value):
        raise ValueError("is not the name of a header")
    return value


Header = Annotated[
    HeaderValue,
    BeforeValidator(_to_header),
    Allowed(
        "'Name value', where the value may hold expressions about the request such as %[dst_port], %[src], %[ssl_fc], "
        "%[path] or %[req.hdr(Host)], and may be followed by 'if { ssl_fc }' or the like"
    ),
]
HeaderList = Annotated[tuple[Header, ...], BeforeValidator(_to_headers)]
HeaderName = Annotated[str, AfterValidator(_header_name), Allowed("the name of a header")]


class Headers(Family):
    """What is added to, replaced in and taken from the headers on their way."""

    add_req_header: Annotated[
        HeaderList,
        Label(
            doc="Headers added to requests, beside those of the same name.",
            example="X-Forwarded-Port %[dst_port],X-Proxy swarmgate",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
            private=True,
            aliases=("addHeader",),
        ),
    ] = ()
    set_req_header: Annotated[
        HeaderList,
        Label(
            doc="Headers set in requests, in place of those of the same name.",
            example="X-Forwarded-Port %[dst_port]",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
            private=True,
            aliases=("setHeader",),
        ),
    ] = ()
    del_req_header: Annotated[
        ListOf[HeaderName],
        Label(
            doc="Headers taken from requests.",
            example="Cookie,X-Debug",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
        ),
    ] = ()
    add_res_header: Annotated[
        HeaderList,
        Label(
            doc="Headers added to responses, beside those of the same name.",
            example="X-Served-By %[be_name]",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
        ),
    ] = ()
    set_res_header: Annotated[
        HeaderList,
        Label(
            doc="Headers set in responses, in place of those of the same name.",
            example="Strict-Transport-Security max-age=31536000",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
        ),
    ] = ()
    del_res_header: Annotated[
        ListOf[HeaderName],
        Label(
            doc="Headers taken from responses.",
            example="Server,X-Powered-By",
            indexed=False,
            effect=Effect.PROFILE,
            why=_HEADER,
        ),
    ] = ()
