"""The access log: a line of JSON for each request, each connection, and each that did not get so far.

A line is whole whatever a client sends: every value that comes from outside is JSON in ASCII and has a length of its
own, and all of them together fit into what is written at once. What is not known is an empty string, or the number -1.

Queries and headers, which may hold secrets, are not logged, but for headers that the operator asks for.

Source: Configuration manual 8.2.6 (log formats) and 7.3.1 (``json``). The flag ``+json`` is not for this: 2.8 has none,
and that of 3.0 passes bytes on that are no UTF-8.
"""

import json
from collections.abc import Iterable, Mapping

from models.settings.request_log import Capture
from render import records

LINE_LIMIT = 4096
"""Bytes of a line: what a pipe takes in one piece (``PIPE_BUF``)."""
_PATH, _HOST, _METHOD, _HEADERS = 1200, 300, 24, 1024
"""Bytes in a line that a value may take; of the captured headers all together."""
_ROUTES = 200
"""Characters of the routes of a backend."""

HOST = "txn.authority"
TRACE = "txn.trace"
"""Variables of a request: the host that it asks for, and the trace that it is part of."""

_INVALID = "Invalid request"
"""What is wrong where nothing is wrong with the connection."""
_CUT = r"(?<!\\)((?:\\\\)*)\\(?:u[0-9A-Fa-f]{0,3})?$"
"""The beginning of an escape at the end of JSON text that was cut, after those of whole backslashes."""


def _text(sample: str, limit: int) -> str:
    """Return the item for a string from outside, of so many bytes at most; no slash in it is escaped.

    It is cut before as well, for ``json`` gives nothing of what is too long for its buffer.
    """
    cut = f"bytes(0,{limit})"
    return rf"%{{+Q}}[{sample},{cut},json(utf8s),regsub('\\/','/',g),{cut},regsub('{_CUT}','\1')]"


def _own(sample: str) -> str:
    """Return the item for a string that needs no escapes."""
    return f"%{{+Q}}[{sample}]"


def _timers(*names: str) -> str:
    return line({name: f"%{name}" for name in names})


def line(fields: Mapping[str, str]) -> str:
    """Return the log-format of one line: each field with the items that are its value."""
    pairs = ",".join(f'"{name}":{value}' for name, value in fields.items())
    return f"{{{pairs}}}"


_TIME = {"time": '"%[date,utime(%Y-%m-%dT%H:%M:%S)].%[date(0,ms),mod(1000),add(1000),regsub(^1,)]Z"'}
_CLIENT = {"client": '"%ci"', "client_port": "%cp", "frontend": '"%f"'}
_SERVED = {
    "backend": '"%b"',
    "service": _own(f"be_name,map_str({records.BACKENDS}),field(1,|)"),
    "route": _own(f"be_name,map_str({records.ROUTES})"),
    "server": _own("srv_name"),
}
_SENT = {"bytes_in": "%U", "bytes_out": "%B"}
_ENDED = {"retries": '"%rc"', "termination": '"%ts"'}
_WRONG = {
    "termination": '"%ts"',
    "error": _own(f"fc_err_str,regsub(^Success$,{_INVALID})"),
    "tls_error": _own("ssl_fc_err_str,json(utf8s)"),
}

REQUEST: Mapping[str, str] = {
    **_TIME,
    "event": '"request"',
    **_CLIENT,
    **_SERVED,
    "method": _own(f"capture.req.method,bytes(0,{_METHOD}),json(utf8s)"),
    "host": _text(f"var({HOST})", _HOST),
    "path": _text("capture.req.uri,field(1,?)", _PATH),
    "http": _own("fc_http_major"),
    "tls": _own("ssl_fc_protocol"),
    "status": "%ST",
    **_SENT,
    "timers": _timers("Tq", "Tw", "Tc", "Tr", "Ta"),
    **_ENDED,
    "trace_id": _own(f"var({TRACE})"),
}
CONNECTION: Mapping[str, str] = {
    **_TIME,
    "event": '"connection"',
    **_CLIENT,
    **_SERVED,
    "host": _text("var(txn.host)", _HOST),
    **_SENT,
    "timers": _timers("Tw", "Tc", "Tt"),
    **_ENDED,
}
REFUSED_REQUEST: Mapping[str, str] = {**_TIME, "event": '"refused"', **_CLIENT, "status": "%ST", **_WRONG}
REFUSED_CONNECTION: Mapping[str, str] = {**_TIME, "event": '"refused"', **_CLIENT, **_WRONG}


def requests(captures: Iterable[Capture]) -> Mapping[str, str]:
    """Return the fields of a request's line, those with the captured headers included if there are any."""
    names = [capture.name for capture in captures]
    if not names:
        return REQUEST
    share = max(0, _HEADERS - len(line(dict.fromkeys(names, '""')))) // len(names)
    headers = {name: _text(f"capture.req.hdr({at})", share) for at, name in enumerate(names)}
    return {**REQUEST, "headers": line(headers)}


def routes_in_a_word(*routes: Iterable[str] | None) -> str:
    """Return the routes of a backend, as many as there is room for, in a form that a map can hold and that is JSON."""
    words = [each.replace(" ", "_") for several in routes for each in several or ()]
    told = "|".join(words).encode("ascii", "replace").decode()
    return json.dumps(told if len(told) <= _ROUTES else f"{told[:_ROUTES]}...")[1:-1]
