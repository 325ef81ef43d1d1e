"""The listener's API: the whole desired world for proxies that may have it.

A snapshot holds credentials, since labels may, so it is given to callers who know the token or, where none is set,
to addresses that the Swarm itself says are running tasks of the proxy service.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import FastAPI, Header, HTTPException, Query, Request, Response
from pydantic import SecretStr

from controller.asked import HEADER
from controller.http.answers.needs import LISTENER_TOKEN, VALID, described, need
from controller.http.answers.probes import Readiness
from controller.http.common import make_app
from controller.http.writers import bearer, is_by_tls, is_token
from controller.metrics import SharedMetrics
from controller.published import Published, ReplicaState, Report, Version
from models.snapshot import Snapshot

LONGEST_WAIT = 60.0
"""Seconds that a poll may be held."""
_Wait = Annotated[float, Query(ge=0, le=LONGEST_WAIT, description="Seconds to wait for news, at most.")]
_NEWS = need(304, "The world is still the one whose etag was sent", None)
_READ = need(503, "The Swarm has not been read yet")


class Gate:
    """Decides who may have the snapshot.

    ``proxy_addresses`` asks the Swarm for the addresses of the proxy's tasks, ``has_asked`` one of these whether it is
    its controller who sent a word. With a ``tls_port`` all who come there have a certificate of the proxies' authority,
    and nobody else may have anything.
    """

    def __init__(
        self,
        token: SecretStr | None,
        proxy_addresses: Callable[[], Awaitable[frozenset[str]]],
        *,
        has_asked: Callable[[str, str], Awaitable[bool]] | None = None,
        tls_port: int | None = None,
    ) -> None:
        self._token = token.get_secret_value() if token else ""
        self._proxy_addresses = proxy_addresses
        self._has_asked = has_asked
        self._tls_port = tls_port

    async def refusal(self, request: Request) -> str | None:
        """Return why whoever asks may not have the snapshot; None if they may."""
        address = address_of(request)
        if self._tls_port is not None and not is_by_tls(request):
            return f"it is given by TLS only, on port {self._tls_port}: begin LISTENER_ADDRESS with https://"
        if self._token:
            is_known = is_token(bearer(request), self._token)
            return None if is_known else f"{address} does not send the listener token, or not the right one"
        if self._tls_port is not None:
            return None
        if address not in await self._proxy_addresses():
            return f"{address} is no task of the proxy service, or its token is wrong"
        if self._has_asked is None or not await self._has_asked(address, request.headers.get(HEADER, "")):
            return (
                f"{address} is a task of the proxy service, but its controller does not say that it has asked: see "
                "that its API listens on the PROXY_PORT of this listener, or mount a listener token in both"
            )
        return None


def make_listener_app(
    published: Published, gate: Gate, metrics: SharedMetrics, readiness: Callable[[], Readiness]
) -> FastAPI:
    """Return the listener's application."""
    app = make_app("Swarmgate listener", readiness=readiness, registry=metrics.registry)

    @app.get(
        "/v1/snapshot",
        summary="The whole world; with If-None-Match and wait, only once it has changed",
        **described("The world", Snapshot, _NEWS, LISTENER_TOKEN, VALID, _READ),
    )
    async def snapshot(  # noqa: PLR0917 - FastAPI names its parameters
        request: Request,
        wait: _Wait = 0,
        replica: Annotated[str, Query(max_length=128, description="Who asks.")] = "",
        programmed: Annotated[str, Query(max_length=128, description="The etag of the world that they run.")] = "",
        conditions: Annotated[str, Query(max_length=128, description="A digest of what became of it.")] = "",
        if_none_match: Annotated[str, Header(max_length=256, description="The etag that is known already.")] = "",
    ) -> Response:
        if words := await gate.refusal(request):
            raise HTTPException(403, f"no snapshot: {words}")
        address = address_of(request)
        report = Report(replica, address, programmed.strip('"'), conditions, encrypted=is_by_tls(request))
        with published.polling(report) if replica else nullcontext(lambda: None) as hung_up:
            waiting = published.newer_than(if_none_match.strip('"'), wait=wait)
            version = await _unless_gone(request, waiting, hung_up)
        if version is None:
            raise HTTPException(503, "the Swarm has not been read yet")
        headers = {"ETag": f'"{version.etag}"', "Cache-Control": "no-store", "Vary": "Accept-Encoding"}
        if version.etag == if_none_match.strip('"'):
            return Response(status_code=304, headers=headers)
        if "gzip" in request.headers.get("accept-encoding", ""):
            headers["Content-Encoding"] = "gzip"
            return Response(version.compressed, media_type="application/json", headers=headers)
        return Response(version.body, media_type="application/json", headers=headers)

    @app.get(
        "/v1/replicas",
        summary="The proxies that ask this listener, and what each has programmed",
        **described("All that have asked lately", list[ReplicaState], VALID),
    )
    async def replicas(
        since: Annotated[str, Query(max_length=128, description="An etag: who has programmed that world?")] = "",
        wait: _Wait = 0,
    ) -> list[ReplicaState]:
        return await published.caught_up(since.strip('"'), limit=wait)

    return app


def address_of(request: Request) -> str:
    """Return the IP address that a request comes from; empty if it has none."""
    return request.client.host if request.client else ""


async def _unless_gone(
    request: Request, answer: Coroutine[Any, Any, Version | None], hung_up: Callable[[], None]
) -> Version | None:
    """Wait for an answer as long as there is somebody to have it; None, and ``hung_up`` is called, if there is not."""
    waiting, gone = asyncio.ensure_future(answer), asyncio.ensure_future(_disconnected(request))
    try:
        await asyncio.wait({waiting, gone}, return_when=asyncio.FIRST_COMPLETED)
        if waiting.done():
            return waiting.result()
        hung_up()
        return None
    finally:
        waiting.cancel()
        gone.cancel()
        await asyncio.gather(waiting, gone, return_exceptions=True)


async def _disconnected(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass
