"""Labels that have HAProxy find out whether a server is well, beside what Swarm knows."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import Allowed, Flag

_CHECK = re.compile(
    r"(?P<path>/(?:[A-Za-z0-9/._~!$&()*+;=:@?-]|%[0-9A-Fa-f]{2}){0,512})(?:,(?P<status>[1-5][0-9]{2}))?"
)


@dataclass(frozen=True, slots=True)
class HttpCheck:
    """A request that has to be answered with ``status`` (None: any from 200 to 399)."""

    path: str
    status: int | None = None


def _to_check(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = _CHECK.fullmatch(value)
    if not match:
        raise ValueError("is not of the form /path or /path,status")
    return HttpCheck(match["path"], int(match["status"]) if match["status"] else None)


Check = Annotated[
    HttpCheck | None,
    BeforeValidator(_to_check),
    Allowed("a path, optionally followed by ',' and a status, such as /health,204"),
]


class Health(Family):
    """How servers are checked; those that fail get no requests until they are well again."""

    check_tcp: Annotated[
        Flag,
        Label(
            doc="Checks that servers accept connections.",
            example="true",
            effect=Effect.PROFILE,
            why="a server keeps the options that it was made with",
            modes=EVERY_MODE,
        ),
    ] = False
    check_http: Annotated[
        Check,
        Label(
            doc="Checks that servers answer a GET request for this path with the given status, or without one with "
            "any from 200 to 399.",
            example="/health,204",
            effect=Effect.PROFILE,
            why="HAProxy takes the request of a check only from its configuration",
            not_with_sni="the service speaks TLS; use checkTcp",
            modes=("http", "tcp"),
        ),
    ] = None
    check_resolvers: Annotated[
        Flag,
        Label(
            doc="Accepted for compatibility: addresses come from the Docker API, so no name has to be resolved.",
            example="true",
            indexed=False,
            effect=Effect.NOTHING,
            modes=EVERY_MODE,
        ),
    ] = False
