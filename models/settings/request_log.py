"""The log of requests, which HAProxy writes to its standard output."""

import re
import shlex
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from models.base import Frozen
from models.settings.values import one_line
from models.types import Allowed, Flag, ListOf


class Capture(Frozen):
    """A header of requests of which so many bytes are logged (an item of ``CAPTURE_REQUEST_HEADER``)."""

    name: str
    length: Annotated[int, Field(ge=1, le=4096)]


def _to_capture(item: object) -> object:
    if not isinstance(item, str):
        return item
    match = re.fullmatch(r"(?P<name>[A-Za-z0-9!#$&*+.^_|~-]{1,128}):(?P<length>[0-9]{1,9})", item, re.ASCII)
    if not match:
        raise ValueError("is not of the form Name:length, such as Host:15")
    return Capture(name=match["name"], length=int(match["length"]))


CaptureItem = Annotated[Capture, BeforeValidator(_to_capture), Allowed("Name:length, such as Host:15")]


def _format(value: str) -> str:
    """Take off the quoting of a format that is written as in HAProxy's own files, which DFP copied it to."""
    quoted = value[:1] in {"'", '"'} and value[:1] == value[-1:]
    if not quoted and "\\ " not in value:
        return value
    try:
        words = shlex.split(value)
    except ValueError:
        return value
    return words[0] if len(words) == 1 else value


LogFormat = Annotated[
    str,
    AfterValidator(_format),
    AfterValidator(one_line),
    Allowed("a log-format (HAProxy's configuration manual, 8.2)"),
]


class RequestLog(Frozen):
    """What is logged of requests and connections, and how."""

    access_log: Annotated[
        Literal["off", "json", "errors"],
        Field(
            description="Log requests and TCP connections on standard output, each as a line of JSON "
            "([its fields](logs.md#requests-and-connections)): all of them (`json`), or (`errors`) what failed, was "
            "denied, was retried, or was answered with a status 5xx. It comes instead of what `DEBUG` logs."
        ),
    ] = "off"
    traceparent: Annotated[
        Flag,
        Field(
            description="Give every request that has no valid header `traceparent` (W3C Trace Context) a new one. With "
            "`ACCESS_LOG` that is always so; otherwise the header is passed on as it is."
        ),
    ] = False
    debug: Annotated[
        Flag, Field(description="Log every request and TCP connection on standard output. It costs performance.")
    ] = False
    debug_errors_only: Annotated[
        Flag, Field(description="With `DEBUG`: log only what failed, was retried, or was answered with a status 5xx.")
    ] = False
    debug_http_format: Annotated[
        LogFormat, Field(description="With `DEBUG`: how a request is logged; by default HAProxy's `httplog`.")
    ] = ""
    debug_tcp_format: Annotated[
        LogFormat, Field(description="With `DEBUG`: how a TCP connection is logged; by default HAProxy's `tcplog`.")
    ] = ""
    capture_request_header: Annotated[
        ListOf[CaptureItem],
        Field(description="Headers of requests to log, each with the number of bytes (`Host:15,Referer:30`)."),
    ] = ()

    @property
    def request_log(self) -> Literal["off", "json", "debug"]:
        """The format of what is logged: JSON, or what the variables of Docker Flow Proxy say."""
        if self.access_log != "off":
            return "json"
        return "debug" if self.debug else "off"

    @property
    def makes_traces(self) -> bool:
        """Whether a request without a trace gets one."""
        return self.traceparent or self.request_log == "json"
