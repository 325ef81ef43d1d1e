"""Labels for what the other labels do not cover."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, ValidationInfo

from models.labels._table import Effect, Family, Label
from models.types import Allowed, SafeText

_SECTIONS = frozenset(
    (
        *("acme", "backend", "cache", "crt-store", "defaults", "fcgi-app", "frontend", "global", "http-errors"),
        *("listen", "log-forward", "log-profile", "mailers", "namespace_list", "peers", "program", "resolvers"),
        *("ring", "traces", "userlist"),
    )
)
"""The words that begin a section (Configuration manual 3 to 12): after one of them all lines would be another's."""


def _to_lines(value: object, info: ValidationInfo) -> object:
    if not isinstance(value, str):
        return value
    context: dict[str, Any] = info.context or {}
    if not context.get("allow_raw_config", True):
        raise ValueError("is not allowed by the operator of this proxy (ALLOW_RAW_CONFIG)")
    return tuple(_checked(line.strip()) for line in value.split("\n") if line.strip())


def _checked(line: str) -> str:
    if not line.isprintable():
        raise ValueError("has a control character in it")
    keyword = line.split(" ", maxsplit=1)[0]
    if not re.fullmatch(r"[a-z][a-z0-9_-]*", keyword) or keyword in _SECTIONS:
        raise ValueError(f"has a line that does not belong to a backend, beginning with {keyword!r}")
    return line


RawLines = Annotated[
    tuple[str, ...],
    BeforeValidator(_to_lines),
    Allowed("lines of HAProxy's configuration that may stand in a defaults section, one a line"),
]


class Custom(Family):
    """Text that means something to whoever wrote it."""

    backend_extra: Annotated[
        RawLines,
        Label(
            doc="Lines of HAProxy's configuration, put behind all others of the service's backends. What HAProxy "
            "refuses of them costs this service only. The operator can forbid it (`ALLOW_RAW_CONFIG`).",
            example="http-request set-header X-Extra yes",
            indexed=False,
            effect=Effect.PROFILE,
            tcp=True,
        ),
    ] = ()
    user_def: Annotated[
        SafeText,
        Label(
            doc="Any text; it is there for templates of one's own and does nothing by itself.",
            example="blue",
            effect=Effect.NOTHING,
            tcp=True,
        ),
    ] = ""
