"""Labels that compress responses on their way out."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator

from models.labels._table import Effect, Family, Label
from models.types import Allowed


def _words(value: object) -> object:
    return tuple(value.split()) if isinstance(value, str) else value


def _media_type(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$&^_.+-]+(/[A-Za-z0-9!#$&^_.+*-]+)?", value):
        raise ValueError("is not a media type")
    return value


Algorithms = Annotated[
    tuple[Literal["identity", "gzip", "deflate", "raw-deflate"], ...],
    BeforeValidator(_words),
    Allowed("identity, gzip, deflate or raw-deflate, divided by spaces"),
]
MediaTypes = Annotated[
    tuple[Annotated[str, AfterValidator(_media_type)], ...],
    BeforeValidator(_words),
    Allowed("media types such as text/html, divided by spaces"),
]


class Compression(Family):
    """What is compressed, and how; nothing without an algorithm."""

    compression_algo: Annotated[
        Algorithms,
        Label(
            doc="How responses are compressed; `COMPRESSION_ALGO` by default.",
            example="gzip",
            indexed=False,
            effect=Effect.PROFILE,
            why="HAProxy takes it only from its configuration",
        ),
    ] = ()
    compression_type: Annotated[
        MediaTypes,
        Label(
            doc="Which media types are compressed; `COMPRESSION_TYPE` by default, or else all.",
            example="text/html text/css application/javascript",
            indexed=False,
            effect=Effect.PROFILE,
            why="HAProxy takes it only from its configuration",
        ),
    ] = ()
