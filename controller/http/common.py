"""The endpoints that both roles have: health, readiness and metrics."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest

from controller.http.answers.needs import TEXT, described, need
from controller.http.answers.probes import Health, Readiness
from controller.http.answers.refusals import InvalidPart, InvalidRequest
from controller.http.answers.schema import DescribedAPI
from controller.http.docs_page import add_docs_page
from controller.http.showing import health, ready

_READY = need(503, "Not yet; the message says why", Readiness)


async def _nothing() -> bytes:
    return b""


def make_app(
    title: str,
    *,
    readiness: Callable[[], Readiness],
    registry: CollectorRegistry,
    more_metrics: Callable[[], Awaitable[bytes]] = _nothing,
) -> FastAPI:
    """Return an application with ``/healthz``, ``/readyz`` and ``/metrics``.

    ``more_metrics`` are written already, and follow those of the registry.
    """
    app = DescribedAPI(title=title, docs_url=None, redoc_url=None, redirect_slashes=False)
    add_docs_page(app)
    app.add_exception_handler(RequestValidationError, _invalid)

    @app.get("/healthz", summary="Whether the controller runs", **described("It runs", Health))
    async def healthz() -> Response:
        return health()

    @app.get("/readyz", summary="Whether requests may be sent here", **described("They may", Readiness, _READY))
    async def readyz() -> Response:
        return ready(readiness())

    @app.get(
        "/metrics",
        summary="Metrics in the Prometheus text format",
        **described("All metrics as of now", None, media=[TEXT]),
    )
    async def metrics() -> Response:
        more = await more_metrics()  # first, for the registry's are to be as of the moment of the answer
        return Response(generate_latest(registry) + more, media_type=CONTENT_TYPE_LATEST)

    return app


async def _invalid(_request: Request, error: Exception) -> JSONResponse:
    """Answer a request that is not of the form that its path describes."""
    parts: list[dict[str, Any]] = list(error.errors()) if isinstance(error, RequestValidationError) else []
    detail = (InvalidPart(loc=part["loc"], msg=part["msg"], type=part["type"]) for part in parts)
    return JSONResponse(InvalidRequest(detail=tuple(detail)).model_dump(mode="json"), status_code=422)
