"""The proxy's API: what it makes of the services, for people and monitoring. Reading only, and without secrets."""

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, HTTPException

from controller.http.common import Readiness, make_app
from controller.metrics import Metrics
from controller.status import StatusStore


def make_proxy_app(status: StatusStore, metrics: Metrics, readiness: Callable[[], Readiness]) -> FastAPI:
    """Return the proxy's application."""
    app = make_app("Swarmgate proxy", readiness=readiness, registry=metrics.registry)

    @app.get("/v1/services", summary="All services with their conditions, routes and servers")
    async def services() -> list[dict[str, Any]]:
        return status.services_view()

    @app.get("/v1/services/{name}", summary="One service with its conditions, routes and servers")
    async def service(name: str) -> dict[str, Any]:
        view = status.service_view(name)
        if view is None:
            raise HTTPException(404, f"no service {name} asks to be published; see /v1/services")
        return view

    @app.get("/v1/certificates", summary="All certificates with their names, expiry and problems; no keys")
    async def certificates() -> list[dict[str, Any]]:
        return status.certificates_view()

    return app
