"""DFSL's paths on the listener. Source: DFSL, "Usage" (``/v1/docker-flow-swarm-listener/...``).

The list of services holds whatever labels hold, passwords too, so it is given to those only who may have the snapshot.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse

from controller.errors import SourceUnavailableError
from controller.http.answers.docker_flow import Failed, Ok
from controller.http.answers.needs import LISTENER_TOKEN, OWN_PAGE, described, need, with_body
from controller.http.listener_api import Gate
from controller.http.showing import shown
from controller.http.writers import is_foreign
from controller.published import Published
from models.snapshot import Snapshot

BASE = "/v1/docker-flow-swarm-listener"
_OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE"]
_FORBIDDEN, _FAILED = 403, 500
_Parameters = list[dict[str, str]]
_READ = need(_FAILED, "The Swarm has not been read yet")
_ASKED = need(_FAILED, "The Swarm does not tell its nodes now")


@dataclass(frozen=True, slots=True)
class Listener:
    """What the interface needs of the listener behind it.

    ``created`` tells of the running services of a world; ``nodes`` reads the nodes; ``notify_again`` has everybody
    told everything; ``failed`` counts a failure.
    """

    published: Published
    gate: Gate
    created: Callable[[Snapshot], Awaitable[list[dict[str, str]]]]
    nodes: Callable[[], Awaitable[tuple[dict[str, str], ...]]]
    notify_again: Callable[[], None]
    failed: Callable[[str], None]


def add_swarm_listener_api(app: FastAPI, listener: Listener) -> None:
    """Add DFSL's paths to the listener's application; they take any method, as there."""

    async def get_services(request: Request) -> Response:
        if words := await listener.gate.refusal(request):
            return _no(f"no services: {words}", _FORBIDDEN)
        snapshot = listener.published.snapshot
        if snapshot is None:
            listener.failed("serveGetServices")
            return _no("the Swarm has not been read yet", _FAILED)
        return JSONResponse(await listener.created(snapshot))

    async def get_nodes() -> Response:
        try:
            return JSONResponse(list(await listener.nodes()))
        except SourceUnavailableError as error:
            listener.failed("serveGetNodes")
            return _no(str(error), _FAILED)

    async def notify_services(request: Request) -> Response:
        if is_foreign(request):
            return _no("the request was sent by a page of another site", _FORBIDDEN)
        listener.notify_again()
        return shown(Ok(Status="OK"))

    async def ping() -> Response:
        return shown(Ok(Status="OK"))

    add = partial(_add, app)
    add(
        "get-services",
        "The running services as flat parameters, for proxies (DFSL)",
        get_services,
        described("All that run", _Parameters, *with_body(Failed, LISTENER_TOKEN, _READ)),
    )
    add(
        "get-nodes",
        "The nodes as flat parameters (DFSL)",
        get_nodes,
        described("All nodes of the Swarm", _Parameters, *with_body(Failed, _ASKED)),
    )
    add(
        "notify-services",
        "Send all notifications again (DFSL)",
        notify_services,
        described("They will be sent", Ok, *with_body(Failed, OWN_PAGE)),
    )
    add("ping", "Whether the API answers (DFSL)", ping, described("It does", Ok))


def _add(
    app: FastAPI, path: str, summary: str, handler: Callable[..., Awaitable[Response]], answers: dict[str, Any]
) -> None:
    app.add_api_route(f"{BASE}/{path}", handler, methods=["GET"], summary=summary, **answers)
    app.add_api_route(f"{BASE}/{path}", handler, methods=_OTHER_METHODS, include_in_schema=False)


def _no(message: str, status: int) -> Response:
    return shown(Failed(Status="NOK", Message=message), status)
