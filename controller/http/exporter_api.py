"""HAProxy's own metrics, beside those under DFP's names: some are called the same and have other labels."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import FastAPI, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.types import Receive, Scope, Send

from controller.errors import TemporaryError
from controller.haproxy.exporter import Exporter, Part
from controller.http.answers.needs import TEXT, VALID, described, need

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


@dataclass(frozen=True, slots=True)
class Turns:
    """One is told at a time, for a page may be megabytes long; the seconds that others wait at most, and one may take.

    Waiting is shorter than Prometheus waits for an answer; whoever reads too slowly is cut off.
    """

    patience: float = 5.0
    longest: float = 30.0
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)


def add_exporter(app: FastAPI, exporter: Exporter, turns: Turns | None = None) -> None:
    """Add the path of HAProxy's exporter to the proxy's application."""
    turns = turns or Turns()

    @app.get(
        "/metrics/haproxy",
        summary="The metrics of HAProxy's own exporter, under its own names",
        **described("All that it tells", None, _RUNNING, VALID, media=[TEXT]),
    )
    async def exported(
        scope: _Scope = ["global", "frontend"],  # noqa: B006 - FastAPI copies it
        metrics: _Names = "",
    ) -> Response:
        return _InTurn(turns, lambda: exporter.page(scope, metrics))


class _InTurn(Response):
    """An answer that waits for its turn."""

    def __init__(self, turns: Turns, page: Callable[[], AsyncGenerator[bytes, None]]) -> None:
        super().__init__()
        self._turns = turns
        self._page = page

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, or what is said in its place."""
        try:
            async with asyncio.timeout(self._turns.patience):
                await self._turns.lock.acquire()
        except TimeoutError:
            await _refusal("HAProxy tells somebody else just now")(scope, receive, send)
            return
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(self._turns.longest), aclosing(self._page()) as page:
                    await (await _answer(page))(scope, receive, send)
        finally:
            self._turns.lock.release()


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
