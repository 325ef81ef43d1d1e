"""The proxy's API: what it makes of the services, for people and monitoring, and declaring more of them.

Reading is without secrets and open; changing is for those whom `Writers` admits.
"""

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import Body, Depends, FastAPI, HTTPException, Path, Query, Request, Response
from fastapi.responses import JSONResponse

from controller.haproxy_metrics import HAProxyMetrics
from controller.http.answers.changes import Outcome
from controller.http.answers.needs import (
    DECLARED,
    GOOD_CERTIFICATE,
    GOOD_LABELS,
    IN_FORCE,
    JSON_BODY,
    KEEPER,
    OWNED,
    PEM,
    PUBLISHED,
    TOKEN,
    VALID,
    described,
)
from controller.http.answers.probes import Readiness
from controller.http.answers.views import CertificateView, ServiceView
from controller.http.certifying import Certifying
from controller.http.common import make_app
from controller.http.declaring import Declaring
from controller.http.showing import shown
from controller.http.writers import Writers
from controller.metrics import Metrics
from controller.pem import LARGEST as LARGEST_CERTIFICATE
from controller.status import StatusStore
from models.reading import PREFIX

LARGEST = 64 * 1024
"""Characters of one label's value."""
ServiceName = Annotated[str, Path(description="The name of the service.", examples=["go-demo"])]
CertificateName = Annotated[str, Path(description="What the certificate is called.", examples=["shop.pem"])]
Distribute = Annotated[bool, Query(description="Answer only once all replicas have programmed it.")]
Labels = Annotated[
    dict[Annotated[str, Body(max_length=256)], Annotated[str, Body(max_length=LARGEST)]],
    Body(
        description="Labels by name, with or without the prefix `com.df.`.",
        examples=[{"servicePath": "/demo", "port": "8080"}],
    ),
]
PEM_BODY = {
    "required": True,
    "description": "The certificate with its chain and its key.",
    "content": {PEM: {"schema": {"type": "string", "maxLength": LARGEST_CERTIFICATE}}},
}


def make_proxy_app(
    status: StatusStore, metrics: Metrics, readiness: Callable[[], Readiness], haproxy: HAProxyMetrics
) -> FastAPI:
    """Return the proxy's application."""
    app = make_app("Swarmgate proxy", readiness=readiness, registry=metrics.registry, more_metrics=haproxy.scrape)

    @app.get(
        "/v1/services",
        summary="All services with their conditions, routes and servers",
        **described("All services that ask to be published, sorted by name", list[ServiceView]),
    )
    async def services() -> Response:
        return JSONResponse(status.services_view())  # as it is: to look at it once more takes long where it is long

    @app.get(
        "/v1/services/{name}",
        summary="One service with its conditions, routes and servers",
        **described("The service", ServiceView, PUBLISHED),
    )
    async def service(name: ServiceName) -> dict[str, Any]:
        view = status.service_view(name)
        if view is None:
            raise HTTPException(404, f"no service {name} asks to be published; see /v1/services")
        return view

    @app.get(
        "/v1/certificates",
        summary="All certificates with their names, expiry and problems; no keys",
        **described("All certificates", list[CertificateView]),
    )
    async def certificates() -> list[dict[str, Any]]:
        return status.certificates_view()

    return app


def add_declared_services(app: FastAPI, declaring: Declaring, writers: Writers) -> None:
    """Add the paths by which services are declared and undeclared."""
    allowed = [Depends(writers.require)]

    @app.put(
        "/v1/services/{name}",
        summary="Declare a service by its labels",
        dependencies=allowed,
        **described("HAProxy runs it", Outcome, TOKEN, VALID, JSON_BODY, GOOD_LABELS, OWNED, IN_FORCE, KEEPER),
    )
    async def declare(name: ServiceName, labels: Labels, *, distribute: Distribute = True) -> Response:
        answer = await declaring.declare(name, with_prefix(labels), distribute=distribute)
        return shown(answer.as_outcome(), answer.status)

    @app.delete(
        "/v1/services/{name}",
        summary="Undeclare a service",
        dependencies=allowed,
        **described("It is gone", Outcome, TOKEN, VALID, DECLARED, OWNED, IN_FORCE, KEEPER),
    )
    async def undeclare(name: ServiceName, *, distribute: Distribute = True) -> Response:
        answer = await declaring.undeclare(name, distribute=distribute)
        return shown(answer.as_outcome(), answer.status)


def add_put_certificates(app: FastAPI, certifying: Certifying, writers: Writers) -> None:
    """Add the paths by which certificates are put and removed."""
    allowed = [Depends(writers.require)]

    @app.put(
        "/v1/certificates/{name}",
        summary="Put a certificate with its key, as PEM",
        dependencies=allowed,
        **described(
            "HAProxy shows it", Outcome, TOKEN, VALID, GOOD_CERTIFICATE, IN_FORCE, KEEPER, requestBody=PEM_BODY
        ),
    )
    async def put_certificate(request: Request, name: CertificateName, *, distribute: Distribute = True) -> Response:
        answer = await certifying.put(name, await body_of(request), distribute=distribute)
        return shown(answer.as_outcome(), answer.status)

    @app.delete(
        "/v1/certificates/{name}",
        summary="Remove a certificate that was put",
        dependencies=allowed,
        **described("It is gone", Outcome, TOKEN, VALID, DECLARED, IN_FORCE, KEEPER),
    )
    async def remove_certificate(name: CertificateName, *, distribute: Distribute = True) -> Response:
        answer = await certifying.remove(name, distribute=distribute)
        return shown(answer.as_outcome(), answer.status)


async def body_of(request: Request) -> bytes:
    """Return the body of a request that brings a certificate; of one that is too large for that, just the beginning."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_CERTIFICATE:
            break
    return bytes(body)


def with_prefix(labels: dict[str, str]) -> dict[str, str]:
    """Return labels whose names all have the prefix."""
    return {label if label.startswith(PREFIX) else PREFIX + label: value for label, value in labels.items()}
