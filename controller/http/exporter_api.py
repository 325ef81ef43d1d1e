"""HAProxy's own metrics, beside those under DFP's names: some are called the same and have other labels."""

from collections.abc import AsyncIterator
from typing import Annotated

from fastapi import FastAPI, HTTPException, Query, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST

from controller.errors import TemporaryError
from controller.haproxy.exporter import Exporter, Part
from controller.http.answers.needs import TEXT, VALID, described, need

_RUNNING = need(503, "HAProxy does not answer")
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


def add_exporter(app: FastAPI, exporter: Exporter) -> None:
    """Add the path of HAProxy's exporter to the proxy's application."""

    @app.get(
        "/metrics/haproxy",
        summary="The metrics of HAProxy's own exporter, under its own names",
        **described("All that it tells", None, _RUNNING, VALID, media=[TEXT]),
    )
    async def exported(
        scope: _Scope = ["global", "frontend"],  # noqa: B006 - FastAPI copies it
        metrics: _Names = "",
    ) -> Response:
        page = exporter.page(scope, metrics)
        try:
            first = await anext(page, b"")
        except TemporaryError as error:
            raise HTTPException(503, str(error)) from error
        return StreamingResponse(_joined(first, page), media_type=CONTENT_TYPE_LATEST)


async def _joined(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in rest:
        yield piece
