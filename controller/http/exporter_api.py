"""HAProxy's own metrics, beside those under DFP's names: some are called the same and have other labels."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from controller.errors import TemporaryError
from controller.haproxy.exporter import Exporter, Part
from controller.http.answers.needs import TEXT, VALID, described, need

_PATIENCE = 5.0
"""Seconds to wait for one's turn: less than Prometheus waits for an answer."""
_LONGEST = 30.0
"""Seconds that sending one page may take; whoever reads more slowly is cut off."""
_AGAIN = "5"
"""Seconds after which to ask again."""

_RUNNING = need(503, "HAProxy does not answer, or tells somebody else all the time")
_Scope = Annotated[
    list[Part], Query(description="What of, as often as wanted; by default the process and its frontends.")
]
_Names = Annotated[
    str,
    Query(
        max_length=4096,
        pattern="^[a-z0-9_,]*$",
        description="The names of the metrics wanted, with commas between them (from HAProxy 3.0 on); by default all.",
    ),
]


def add_exporter(app: FastAPI, exporter: Exporter, *, patience: float = _PATIENCE) -> None:
    """Add the path of HAProxy's exporter to the proxy's application.

    It tells one client at a time, for a page may be megabytes long; the others wait, for ``patience`` seconds at most.
    """
    turn = asyncio.Lock()

    @app.get(
        "/metrics/haproxy",
        summary="The metrics of HAProxy's own exporter, under its own names",
        **described("All that it tells", None, _RUNNING, VALID, media=[TEXT]),
    )
    async def exported(
        scope: _Scope = ["global", "frontend"],  # noqa: B006 - FastAPI copies it
        metrics: _Names = "",
    ) -> Response:
        return _InTurn(turn, patience, lambda: exporter.page(scope, metrics))


class _InTurn(Response):
    """An answer that waits for its turn, which nobody has for longer than `_LONGEST`, however slowly they read."""

    def __init__(self, turn: asyncio.Lock, patience: float, page: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        super().__init__()
        self._turn = turn
        self._patience = patience
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or what is said in its place."""
        try:
            async with asyncio.timeout(self._patience):
                await self._turn.acquire()
        except TimeoutError:
            await _refusal("HAProxy tells somebody else just now")(scope, receive, send)
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(_LONGEST), aclosing(self._page()) as page:
                    await (await _answer(page))(scope, receive, send)
        finally:
            self._turn.release()


async def _answer(page: AsyncGenerator[bytes, None]) -> Response:
    """Return what sends a page, as soon as it is known to have a beginning."""
    try:
        first = await anext(page, b"")
    except TemporaryError as error:
        return _refusal(str(error))
    return StreamingResponse(_joined(first, page), media_type=CONTENT_TYPE_LATEST)


def _refusal(words: str) -> Response:
    return JSONResponse({"detail": words}, 503, headers={"Retry-After": _AGAIN})


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
