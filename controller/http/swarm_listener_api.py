"""DFSL's paths on the listener. Source: DFSL, "Usage" (``/v1/docker-flow-swarm-listener/...``).

The list of services holds whatever labels hold, passwords too, so it is given to those only who may have the snapshot.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated

from fastapi import FastAPI, Header, Request
from fastapi.responses import JSONResponse

from controller.errors import SourceUnavailableError
from controller.http.listener_api import Gate
from controller.published import Published
from models.snapshot import Snapshot

BASE = "/v1/docker-flow-swarm-listener"
_OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE"]
_FORBIDDEN, _FAILED = 403, 500


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

    async def get_services(
        request: Request, authorization: Annotated[str, Header(max_length=1024)] = ""
    ) -> JSONResponse:
        address = request.client.host if request.client else ""
        if not await listener.gate.admits(address, authorization):
            return _no(
                f"{address} may not have the services: it is no task of the proxy service, or its token is wrong"
            )
        snapshot = listener.published.snapshot
        if snapshot is None:
            listener.failed("serveGetServices")
            return _no("the Swarm has not been read yet", _FAILED)
        return JSONResponse(await listener.created(snapshot))

    async def get_nodes() -> JSONResponse:
        try:
            return JSONResponse(list(await listener.nodes()))
        except SourceUnavailableError as error:
            listener.failed("serveGetNodes")
            return _no(str(error), _FAILED)

    async def notify_services() -> JSONResponse:
        listener.notify_again()
        return JSONResponse({"Status": "OK"})

    async def ping() -> JSONResponse:
        return JSONResponse({"Status": "OK"})

    for path, summary, handler in (
        ("get-services", "The running services as flat parameters, for proxies (DFSL)", get_services),
        ("get-nodes", "The nodes as flat parameters (DFSL)", get_nodes),
        ("notify-services", "Send all notifications again (DFSL)", notify_services),
        ("ping", "The API answers (DFSL)", ping),
    ):
        app.add_api_route(f"{BASE}/{path}", handler, methods=["GET"], summary=summary)
        app.add_api_route(f"{BASE}/{path}", handler, methods=_OTHER_METHODS, include_in_schema=False)


def _no(message: str, status: int = _FORBIDDEN) -> JSONResponse:
    return JSONResponse({"Status": "NOK", "Message": message}, status_code=status)
