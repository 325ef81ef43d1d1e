"""Serving an ASGI application inside the controller's own event loop."""

from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

_GRACE = 2
"""Seconds that open requests get when the server stops; a held poll is simply cut."""


class _QuietServer(uvicorn.Server):
    """A server that leaves signals to the application that runs it."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def make_server(app: ASGIApp, *, ip: str, port: int) -> uvicorn.Server:
    """Return a server for the application; run it with ``await server.serve()``, stop it with ``should_exit``."""
    config = uvicorn.Config(
        app,
        host=ip,
        port=port,
        log_config=None,
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE,
        server_header=False,
    )
    return _QuietServer(config)
