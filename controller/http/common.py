"""The endpoints that both roles have: health, readiness and metrics."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Response
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest


@dataclass(frozen=True, slots=True)
class Readiness:
    """Whether requests may be sent here, and in words why not."""

    ready: bool
    message: str = ""


async def _nothing() -> bytes:
    return b""


ANSWERS: dict[int | str, dict[str, Any]] = {
    400: {"description": "What was sent cannot be used; the answer says why"},
    403: {"description": "The token is missing or wrong, or changing is not allowed at all"},
    404: {"description": "There is nothing of that name"},
    409: {"description": "It cannot be so together with what is there already"},
    413: {"description": "What was sent is too large"},
    500: {"description": "It could not be done; the answer says why"},
    502: {"description": "A listener that has to keep it did not answer as it should"},
    503: {"description": "Not ready yet, or somebody who is needed for it cannot be reached; try again"},
}
"""What may go wrong, whatever the path."""


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
    app = FastAPI(title=title, docs_url="/docs", redoc_url=None, responses=ANSWERS)

    @app.get("/healthz", summary="The controller runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", summary="Requests may be sent here (200), or not yet (503)")
    async def readyz() -> JSONResponse:
        state = readiness()
        content: dict[str, Any] = {"ready": state.ready}
        if state.message:
            content["message"] = state.message
        return JSONResponse(content, status_code=200 if state.ready else 503)

    @app.get("/metrics", summary="Metrics in the Prometheus text format", response_class=Response)
    async def metrics() -> Response:
        more = await more_metrics()  # first, for the registry's are to be as of the moment of the answer
        return Response(generate_latest(registry) + more, media_type=CONTENT_TYPE_LATEST)

    return app
