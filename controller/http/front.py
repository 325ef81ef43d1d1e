"""What answers at a proxy's port from the start: probes and listeners that ask back, at once, all else once it is made.

Making the API takes a while, and a controller that starts has more urgent things to do.
"""

import asyncio
from collections.abc import Callable

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from controller.asked import PATH, Word
from controller.http.answers.probes import Readiness
from controller.http.showing import health, ready

_READING = frozenset({"GET", "HEAD"})


class Front:
    """An application that stands before another one; who asks for that one waits until it is there."""

    def __init__(self, word: Word, readiness: Callable[[], Readiness]) -> None:
        self._word = word
        self._readiness = readiness
        self._app: asyncio.Future[ASGIApp] = asyncio.get_running_loop().create_future()
        self._before_end: Callable[[], None] = lambda: None

    def open(self, app: ASGIApp, before_end: Callable[[], None]) -> None:
        """Have the other application answer from now on; ``before_end`` is what to call before that can stop."""
        self._app.set_result(app)
        self._before_end = before_end

    def close(self) -> None:
        """Let those go who hold the application up."""
        self._before_end()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        app = self._at_once(scope["path"]) if scope["type"] == "http" and scope["method"] in _READING else None
        if app is None:
            app = await asyncio.shield(self._app)
        await app(scope, receive, send)

    def _at_once(self, path: str) -> ASGIApp | None:
        """Return what answers a request for a path that need not wait for the application; None if it has to."""
        beginning, _, digest = path.rpartition("/")
        if beginning == PATH:
            return self._asked(digest)
        if not self._app.done() and path == "/healthz":
            return health()
        if not self._app.done() and path == "/readyz":
            return ready(self._readiness())
        return None

    def _asked(self, digest: str) -> ASGIApp:
        """Answer a listener whether it was this controller who asked it."""
        if self._word.is_digest(digest):
            return JSONResponse({"status": "ok"})
        return JSONResponse({"detail": "this controller has sent no such word"}, 404)
