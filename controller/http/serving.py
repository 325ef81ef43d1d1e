"""Serving an ASGI application inside the controller's own event loop."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from controller.http.protecting import LONGEST_URL, Protected

_GRACE = 2
"""Seconds that open requests get when the server stops; a held poll is simply cut."""
_HEAD = 2 * LONGEST_URL
"""Bytes of a request line with its headers; of more the connection is closed, with status 400."""


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
        http="h11",
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
