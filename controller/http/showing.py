"""Answers with a body that is declared, and those to the probes, which are asked for before there is an API, too."""

from pydantic import BaseModel
from starlette.responses import Response

from controller.http.answers.probes import Health, Readiness


def shown(body: BaseModel, status: int = 200) -> Response:
    """Return an answer with a body, of which nothing is shown but what was said."""
    return Response(body.model_dump_json(exclude_unset=True), status, media_type="application/json")


def health() -> Response:
    """Return the answer to ``/healthz``."""
    return shown(Health(status="ok"))


def ready(state: Readiness) -> Response:
    """Return the answer to ``/readyz``."""
    return shown(state, 200 if state.ready else 503)
