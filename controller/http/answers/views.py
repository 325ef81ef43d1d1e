"""Bodies that show what a proxy makes of services and certificates; nothing in them is secret."""

from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.conditions import Condition
from models.notices import Notice


class ServiceView(Frozen):
    """A service, what is true of it, and what HAProxy has of it."""

    name: str
    conditions: tuple[Condition, ...]
    routes: Annotated[tuple[str, ...], Field(description="What leads to it, in words.")]
    backends: Annotated[
        dict[str, tuple[str, ...]], Field(description="HAProxy's backends, each with its servers: `name address:port`.")
    ]
    deprecated: Annotated[tuple[str, ...], Field(description="Labels that have a better spelling now.")]
    notices: Annotated[tuple[Notice, ...], Field(description="What is to be known of it although nothing is wrong.")]


class CertificateView(Frozen):
    """A certificate, or a file that was to be one and is of no use: then there is nothing but the problem."""

    certificate: Annotated[str, Field(description="Where it is from and what it is called there.")]
    source: str
    names: Annotated[tuple[str, ...], Field(description="The host names that it is for.")] = ()
    key: Annotated[str, Field(description="The kind of its key.")] = ""
    not_after: Annotated[str, Field(description="When it expires (ISO 8601).")] = ""
    days_left: int = 0
    default: Annotated[bool, Field(description="Whether it is shown to clients that ask for no known name.")] = False
    problem: str | None = None
