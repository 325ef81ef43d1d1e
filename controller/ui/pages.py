"""The pages at ``/ui``, which only ever show: what they need is gathered here, and written in another thread."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from fastapi import FastAPI, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse, StreamingResponse

from controller.http.answers.views import CertificateView
from controller.status import Footprint
from controller.ui import listing
from controller.ui.details import MOST_BACKENDS, backend_rows, labels_of
from controller.ui.environment import environment
from controller.ui.facts import Facts
from controller.ui.listing import State, Wish
from controller.ui.live import Live
from controller.ui.static import files
from controller.ui.trying import METHODS, Tried
from models.certificates import SOON
from models.tables import Latest

HEADERS = MappingProxyType(
    {
        "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
        "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
        "X-Frame-Options": "DENY",
    }
)
"""What a browser is told besides what it is told of every answer (`controller.http.protecting`)."""
_FOR_EVER = "public, max-age=31536000, immutable"
_MOST_WRONG = 8
_MOST_RECENT = 6


def add_ui(app: FastAPI, facts: Facts) -> Live:
    """Add the pages to the proxy's application; return what has to be closed before the server can stop."""
    live = Live(facts)
    pages = Pages(facts)
    for path, page in pages.by_path.items():
        app.add_api_route(path, page, methods=["GET"], include_in_schema=False)

    @app.get("/", include_in_schema=False)
    async def front_door() -> Response:
        return RedirectResponse("/ui", headers=dict(HEADERS))

    @app.get("/ui/events", include_in_schema=False)
    async def events() -> Response:
        if live.is_full:
            return Response("too many pages are open; this one looks by itself", 503, media_type="text/plain")
        return StreamingResponse(live.stream(), media_type="text/event-stream", headers=dict(HEADERS))

    @app.get("/ui/static/{name}", include_in_schema=False)
    async def static(name: str) -> Response:
        file = files().get(name)
        if file is None:
            return Response(status_code=404)
        return Response(file.content, media_type=file.media_type, headers={**HEADERS, "Cache-Control": _FOR_EVER})

    return live


class Pages:
    """One method for each page; what takes thousands of steps is worked out once for each state of the world."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._states = Latest(listing.states_of)
        self._routes = Latest(listing.count_routes)
        self.by_path: dict[str, Callable[..., Awaitable[Response]]] = {
            "/ui": self.overview,
            "/ui/": self.overview,
            "/ui/services": self.services,
            "/ui/services/{name:path}": self.service,
            "/ui/routes": self.routes,
            "/ui/certificates": self.certificates,
            "/ui/history": self.history,
        }

    async def overview(self) -> Response:
        """How the proxy is, and what needs attention."""
        facts, status = self._facts, self._facts.status
        load = await facts.load(None)
        replicas = await facts.replicas(None) if facts.replicas else None
        certificates = self._certificates()
        states = self._states(status.conditions)
        return await self._page(
            "overview",
            counts=Counter(states.values()),
            routes=self._routes(status.footprints),
            wrong=listing.wrong_services(status, states, _MOST_WRONG),
            expiring=[each for each in certificates if each.problem or each.days_left < SOON],
            entries=facts.history.entries[:_MOST_RECENT],
            last_at=facts.history.last_at,
            staleness=facts.staleness(),
            source=facts.source,
            load=load,
            replicas=replicas,
            replica=facts.replica,
            digest=status.digest,
        )

    async def services(self, request: Request) -> Response:
        """All services, or those that somebody looks for."""
        wish = Wish.of(request.query_params)
        status = self._facts.status
        page, counts = listing.services(status, self._states(status.conditions), wish)
        return await self._page("services", wish=wish, page=page, counts=counts)

    async def service(self, name: str) -> Response:
        """One service."""
        facts, status = self._facts, self._facts.status
        if name not in status.conditions:
            return await self._page("missing", status=404, name=name)
        footprint = status.footprints.get(name, Footprint())
        known = status.desired.backends_by_name
        backends = [known[each] for each in footprint.backends if each in known]
        told = await facts.statistics(tuple(each.name for each in backends[:MOST_BACKENDS]))
        entries = facts.history.of(name)
        return await self._page(
            "service",
            row=listing.service_row(status, name),
            conditions=status.conditions[name],
            notices=status.notices.get(name, ()),
            labels=labels_of(facts.world(), name),
            backends=backend_rows(backends, told.answer or ()),
            told=told,
            entries=entries,
        )

    async def routes(self, request: Request) -> Response:
        """All routes, or those that somebody looks for; and what becomes of a URL that somebody tries."""
        facts, wish = self._facts, Wish.of(request.query_params)
        tried = Tried.of(request.query_params, facts.status.desired, facts.settings)
        return await self._page(
            "routes", wish=wish, page=listing.routes(facts.status, wish), tried=tried, methods=METHODS
        )

    async def certificates(self) -> Response:
        """All certificates."""
        return await self._page("certificates", certificates=self._certificates())

    async def history(self) -> Response:
        """What the latest reconciles did."""
        return await self._page("history", entries=self._facts.history.entries)

    def _certificates(self) -> list[CertificateView]:
        return [CertificateView.model_validate(each) for each in self._facts.status.certificates_view()]

    async def _page(self, template: str, /, status: int = 200, **shown: Any) -> Response:  # noqa: ANN401 - a template's
        """Write a page in another thread, so that nobody waits for it; what is shown must not change meanwhile."""
        common = {
            "at": template,
            "now": datetime.now(UTC),
            "readiness": self._facts.readiness(),
            "State": State,
            "soon": SOON,
        }
        text = await asyncio.to_thread(_written, f"{template}.html.j2", common | shown)
        return HTMLResponse(text, status, headers=dict(HEADERS))


def _written(template: str, shown: dict[str, Any]) -> str:
    return environment().get_template(template).render(shown)
