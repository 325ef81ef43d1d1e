"""Serving an ASGI application inside the controller's own event loop."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from controller.http.protecting import HEADERS, LONGEST_URL, Protected

_GRACE = 2
"""Seconds that open requests get when the server stops; a held poll is simply cut."""
_HEAD = 2 * LONGEST_URL
"""Bytes of a request line with its headers; of more the connection is closed, with status 400."""


class _Protocol(H11Protocol):
    """HTTP, whose refusals of what is none have the headers that all answers have."""

    def send_400_response(self, msg: str) -> None:
        own = {"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}
        headers = [(name.encode(), value.encode()) for name, value in (own | HEADERS).items()]
        body = h11.Data(data=msg.encode("ascii", "replace"))
        for event in (h11.Response(status_code=400, headers=headers, reason=b"Bad Request"), body, h11.EndOfMessage()):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()


class _QuietServer(uvicorn.Server):
    """A server that leaves signals to the application that runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: ASGIApp, *, ip: str, port: int, tls: ssl.SSLContext | None = None) -> uvicorn.Server:
    """Return a server for the application; run it with ``await server.serve()``, stop it with ``should_exit``.

    With ``tls`` each connection ends after one answer, so that nobody outlives what let them in.
    """
    config = uvicorn.Config(
        Protected(app),
        host=ip,
        port=port,
        http=_Protocol,
        h11_max_incomplete_event_size=_HEAD,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
        proxy_headers=False,  # whoever connects is who asks, whatever they say of themselves
        headers=[("Connection", "close")] if tls else [],
    )
    config.load()
    config.ssl = tls
    return _QuietServer(config)
