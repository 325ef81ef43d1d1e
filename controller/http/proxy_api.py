"""The proxy's API: what it makes of the services, for people and monitoring, and declaring more of them.

Reading is without secrets and open; changing is for those whom `Writers` admits.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse

from controller.http.common import Readiness, make_app
from controller.http.declaring import Declaring
from controller.http.writers import Writers
from controller.metrics import Metrics
from controller.status import StatusStore
from models.reading import PREFIX

LARGEST = 64 * 1024
"""Characters of one label's value."""
Labels = Annotated[
    dict[Annotated[str, Body(max_length=256)], Annotated[str, Body(max_length=LARGEST)]],
    Body(description="Labels by name, with or without the prefix `com.df.`.", examples=[{"servicePath": "/demo"}]),
]


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


def add_declared_services(app: FastAPI, declaring: Declaring, writers: Writers) -> None:
    """Add the paths by which services are declared and undeclared."""
    allowed = [Depends(writers.require)]

    @app.put("/v1/services/{name}", summary="Declare a service by its labels", dependencies=allowed)
    async def declare(name: str, labels: Labels) -> JSONResponse:
        answer = await declaring.declare(name, with_prefix(labels))
        return JSONResponse(answer.as_json(), status_code=answer.status)

    @app.delete("/v1/services/{name}", summary="Undeclare a service", dependencies=allowed)
    async def undeclare(name: str) -> JSONResponse:
        answer = await declaring.undeclare(name)
        return JSONResponse(answer.as_json(), status_code=answer.status)


def with_prefix(labels: dict[str, str]) -> dict[str, str]:
    """Return labels whose names all have the prefix."""
    return {label if label.startswith(PREFIX) else PREFIX + label: value for label, value in labels.items()}
