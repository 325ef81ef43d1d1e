"""DFP's paths, with its parameters, status codes and JSON keys, less what leaked secrets.

Source: DFP, "Usage" (``/v1/docker-flow-proxy/...``). Every path takes any method, as there, except ``cert``.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request, Response
from fastapi.responses import JSONResponse, PlainTextResponse

from controller.errors import SwarmgateError
from controller.http.answering import Answer
from controller.http.answers.docker_flow import (
    CertificateFile,
    CertificatesSaid,
    Ok,
    Reconfigured,
    Said,
    ServiceFacts,
    service_facts,
)
from controller.http.answers.needs import (
    GOOD_CERTIFICATE,
    GOOD_LABELS,
    IN_FORCE,
    JSON,
    KEEPER,
    OWNED,
    TEXT,
    TOKEN,
    described,
    need,
    with_body,
)
from controller.http.certifying import Certifying
from controller.http.declaring import Declaring
from controller.http.proxy_api import PEM_BODY, body_of
from controller.http.showing import shown
from controller.http.writers import Writers, is_foreign, presented
from controller.redaction import redacted
from controller.status import StatusStore
from models.certificates import CertificateSource
from models.labels._table import Row
from models.reading import PREFIX
from models.service import TABLE

BASE = "/v1/docker-flow-proxy"
_OTHER_METHODS = ["POST", "PUT", "PATCH", "DELETE"]
_CARRIED = frozenset({"serviceName", "nodeInfo"})
"""Parameters that a listener sends about a service and that are not kept: its name, and what changes by itself."""
_DISTRIBUTE = {
    "name": "distribute",
    "in": "query",
    "schema": {"type": "string"},
    "description": "`false`: answer without waiting for the other replicas.",
}
_ENOUGH = frozenset({"servicePath", "port"})
"""Labels that are enough for a service, and so for an example."""
_FALSE = frozenset({"false", "f", "0"})
_IN_FOLDER = frozenset({CertificateSource.API, CertificateSource.FOLDER, CertificateSource.SERVICE})
"""Certificates that DFP had in its folder; those in secrets it did not list."""
_BAD_REQUEST, _FORBIDDEN, _NOT_FOUND, _FAILED = 400, 403, 404, 500

_ServiceName = Annotated[
    str, Query(alias="serviceName", description="The name of the service; mandatory.", examples=["go-demo"])
]
_CertificateName = Annotated[
    str, Query(alias="certName", description="What it is to be called; mandatory.", examples=["shop.pem"])
]
_Type = Annotated[str, Query(alias="type", description="`json`, or text.", examples=["json"])]

Handler = Callable[..., Awaitable[Response]]

_NAMED = need(_BAD_REQUEST, "The parameter `serviceName` is missing")
_CHANGES = (_NAMED, replace(TOKEN, security=(*TOKEN.security, "")), OWNED, IN_FORCE, KEEPER)
"""What takes to change a service; without a token it may still be announced that its labels have changed."""
_READABLE = need(_FAILED, "The configuration cannot be read; there may be none yet")
_RUNNING = need(_FAILED, "HAProxy does not tell")
_CONVERGED = need(_FAILED, "Not yet")


@dataclass(frozen=True, slots=True)
class Proxy:
    """What the interface needs of the proxy behind it.

    ``look_anew`` forgets what HAProxy was seen to run and asks for a reconcile; ``configuration`` is the text of
    ``haproxy.cfg``; ``statistics`` is HAProxy's answer to ``show stat``; ``certs_dir`` is where certificates are said
    to be that people put there, or through the API.
    """

    status: StatusStore
    declaring: Declaring
    writers: Writers
    converged: Callable[[], bool]
    look_anew: Callable[[], None]
    configuration: Callable[[], Awaitable[str]]
    statistics: Callable[[], Awaitable[str]]
    certifying: Certifying
    certs_dir: Path


def add_docker_flow_proxy_api(app: FastAPI, proxy: Proxy) -> None:
    """Add DFP's paths to the proxy's application."""
    _add_services(app, proxy)
    _add_certificates(app, proxy)
    _add_views(app, proxy)
    _add_probes(app, proxy)


def _any_method(app: FastAPI, path: str, summary: str, handler: Handler, answers: dict[str, Any]) -> None:
    """Add a path that takes any method; the schema describes the one that DFP's documentation uses."""
    app.add_api_route(path, handler, methods=["GET"], summary=summary, **answers)
    app.add_api_route(path, handler, methods=_OTHER_METHODS, include_in_schema=False)


def _reconfigure(proxy: Proxy) -> Handler:
    async def reconfigure(
        request: Request,
        service_name: _ServiceName = "",
    ) -> Response:
        if not service_name:
            return _no("serviceName parameter is mandatory", _BAD_REQUEST)
        if _may_be_news(request) and await proxy.declaring.announced(service_name):
            return _yes(f"{service_name} is declared by its labels; the proxy looks at them", service_name)
        if words := proxy.writers.refusal(request):
            return _no(words, _FORBIDDEN, service_name)
        if request.query_params.get("replicas") == "0":
            return _undeclared(await proxy.declaring.undeclare(service_name, distribute=_distributes(request)))
        labels = labels_of(request.query_params)
        answer = await proxy.declaring.declare(service_name, labels, distribute=_distributes(request))
        facts = _facts(proxy.status, service_name) if answer.is_good else {}
        return _json(answer, **facts)

    return reconfigure


def _remove(proxy: Proxy) -> Handler:
    async def remove(
        request: Request,
        service_name: _ServiceName = "",
    ) -> Response:
        if not service_name:
            return _no("serviceName parameter is mandatory", _BAD_REQUEST)
        is_news = proxy.declaring.is_legacy() or not proxy.declaring.keeps(service_name)
        if _may_be_news(request) and is_news:
            proxy.declaring.mark_dirty("somebody announced a removal")
            return _yes(f"{service_name} is not declared here; the proxy looks again", service_name)
        if words := proxy.writers.refusal(request):
            return _no(words, _FORBIDDEN, service_name)
        return _undeclared(await proxy.declaring.undeclare(service_name, distribute=_distributes(request)))

    return remove


def _may_be_news(request: Request) -> bool:
    """Return whether a request may be a listener's news, which changes nothing: then it has no token."""
    return not presented(request) and not is_foreign(request)


def _distributes(request: Request) -> bool:
    """Return whether the other replicas are to be waited for: so it is unless somebody says otherwise."""
    return request.query_params.get("distribute", "").lower() not in _FALSE


def _add_services(app: FastAPI, proxy: Proxy) -> None:
    async def reload(request: Request) -> Response:
        if words := proxy.writers.refusal(request):
            return _no(words, _FORBIDDEN)
        proxy.look_anew()
        return _yes("The proxy looks at everything anew; HAProxy is reloaded only if that takes a reload")

    _any_method(
        app,
        f"{BASE}/reconfigure",
        "Declare a service; its labels are the query (DFP)",
        _reconfigure(proxy),
        described(
            "HAProxy runs it; or it was announced only, and the proxy looks at its labels",
            Reconfigured,
            *with_body(Reconfigured, *_CHANGES, GOOD_LABELS),
            parameters=[_parameter(row) for row in TABLE.values() if row.name not in _CARRIED],
        ),
    )
    _any_method(
        app,
        f"{BASE}/remove",
        "Undeclare a service (DFP)",
        _remove(proxy),
        described(
            "It is gone, or was not declared here; the proxy looks again",
            Reconfigured,
            *with_body(Reconfigured, *_CHANGES),
            parameters=[_DISTRIBUTE],
        ),
    )
    _any_method(
        app,
        f"{BASE}/reload",
        "Look at the world and at HAProxy anew (DFP)",
        reload,
        described("It will be done in a moment", Said, *with_body(Said, TOKEN)),
    )


def _parameter(row: Row) -> dict[str, Any]:
    """Return how the schema describes a label as a parameter."""
    indexed = f" Also with an index, `{row.name}.1` and so on." if row.label.indexed else ""
    text = f"{row.label.doc}{indexed} Allowed: {row.allowed}"
    described: dict[str, Any] = {"name": row.name, "in": "query", "schema": {"type": "string"}, "description": text}
    return described | ({"example": row.label.example} if row.name in _ENOUGH else {})


def labels_of(parameters: Mapping[str, str]) -> dict[str, str]:
    """Return the labels that the parameters of ``reconfigure`` stand for: each is a label without its prefix."""
    return {PREFIX + name: value for name, value in parameters.items() if value and name not in _CARRIED}


def _add_certificates(app: FastAPI, proxy: Proxy) -> None:
    @app.put(
        f"{BASE}/cert",
        summary="Put a certificate with its key, as PEM (DFP)",
        **described(
            "HAProxy shows it",
            CertificatesSaid,
            *with_body(CertificatesSaid, TOKEN, GOOD_CERTIFICATE, IN_FORCE, KEEPER),
            requestBody=PEM_BODY,
            parameters=[_DISTRIBUTE],
        ),
    )
    async def cert(
        request: Request,
        cert_name: Annotated[
            str, Query(alias="certName", description="What it is to be called; mandatory.", examples=["shop.pem"])
        ] = "",
    ) -> Response:
        if words := proxy.writers.refusal(request):
            said = CertificatesSaid(Status="NOK", Message=words, Certs=())
            return shown(said, _FORBIDDEN)
        body = await body_of(request)
        answer = await proxy.certifying.put(cert_name, body, distribute=_distributes(request))
        said = CertificatesSaid(Status="OK" if answer.is_good else "NOK", Message=answer.words, Certs=_certs(proxy))
        return shown(said, min(answer.status, _FAILED))

    async def certs() -> Response:
        return JSONResponse([each.model_dump(mode="json") for each in _certs(proxy)])

    _any_method(
        app,
        f"{BASE}/certs",
        "All certificates, without keys (DFP)",
        certs,
        described("Those that are in files, or were put", list[CertificateFile]),
    )


def _certs(proxy: Proxy) -> tuple[CertificateFile, ...]:
    """Return the certificates that are not in secrets, under DFP's keys; unlike there, without their keys."""
    return tuple(
        CertificateFile(
            ServicePort="", ProxyServiceName=each.name, CertsDir=str(proxy.certs_dir), CertContent=each.public_pem
        )
        for each in proxy.status.certificates().values()
        if each.source in _IN_FOLDER
    )


def _add_views(app: FastAPI, proxy: Proxy) -> None:
    async def config(
        type_: _Type = "",
    ) -> Response:
        if type_.lower() == "json":
            return JSONResponse(
                {each.form.name: service_facts(each.form) for each in proxy.status.desired.forms.values()}
            )
        try:
            return PlainTextResponse(redacted(await proxy.configuration()))
        except (OSError, UnicodeDecodeError) as error:
            return _no(f"the configuration cannot be read: {error.__class__.__name__}", _FAILED)

    async def metrics() -> Response:
        try:
            return PlainTextResponse(await proxy.statistics())
        except SwarmgateError as error:
            return _no(str(error), _FAILED)

    _any_method(
        app,
        f"{BASE}/config",
        "HAProxy's configuration, or with type=json the services; no secrets (DFP)",
        config,
        described(
            "The configuration; or the services by name",
            dict[str, ServiceFacts],
            *with_body(Said, _READABLE),
            media=[TEXT, JSON],
        ),
    )
    _any_method(
        app,
        f"{BASE}/metrics",
        "HAProxy's statistics as CSV (DFP)",
        metrics,
        described("One line for each frontend, backend and server", None, *with_body(Said, _RUNNING), media=[TEXT]),
    )


def _add_probes(app: FastAPI, proxy: Proxy) -> None:
    async def ok() -> Response:
        return shown(Ok(Status="OK"))

    async def successful_init_reload() -> Response:
        return _yes("") if proxy.converged() else _no("the first convergence is not complete yet", _FAILED)

    for path in (f"{BASE}/ping", "/v1/test", "/v2/test"):
        _any_method(app, path, "Whether the API answers (DFP)", ok, described("It does", Ok))
    _any_method(
        app,
        f"{BASE}/successfulinitreload",
        "Whether the first convergence is done (DFP)",
        successful_init_reload,
        described("It is", Said, *with_body(Said, _CONVERGED)),
    )


def _undeclared(answer: Answer) -> Response:
    """Return the answer to a removal; to remove what is not there is no mistake. Source: DFP, ``remove``."""
    return _yes(answer.words, answer.service) if answer.status == _NOT_FOUND else _json(answer)


def _json(answer: Answer, **facts: Any) -> Response:  # noqa: ANN401 - JSON
    content = {
        "Status": "OK" if answer.is_good else "NOK",
        "Message": answer.words,
        "ServiceName": answer.service,
        **facts,
    }
    if answer.conditions:
        content["Conditions"] = answer.conditions
    if answer.converging:
        content["Converging"] = list(answer.converging)
    return JSONResponse(content, status_code=min(answer.status, _FAILED))


def _facts(status: StatusStore, name: str) -> dict[str, Any]:
    form = next((each.form for each in status.desired.forms.values() if each.form.name == name), None)
    return service_facts(form) if form else {}


def _yes(message: str, name: str = "") -> Response:
    return shown(Said(Status="OK", Message=message, ServiceName=name))


def _no(message: str, status: int, name: str = "") -> Response:
    return shown(Said(Status="NOK", Message=message, ServiceName=name), status)
