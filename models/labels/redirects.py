"""Labels that send clients from HTTP to HTTPS."""

from typing import Annotated, Literal

from pydantic import AfterValidator

from models.labels._table import EVERY_MODE, Family, Label
from models.types import Allowed, DomainPattern, Flag, ListOf

RedirectCode = Annotated[Literal["301", "302", "303", "307", "308"] | None, Allowed("one of 301, 302, 303, 307, 308")]


def _without_star(value: str) -> str:
    if value.startswith("*"):
        raise ValueError("has a '*'")
    return value


WholeDomain = Annotated[DomainPattern, AfterValidator(_without_star), Allowed("a domain without '*' (old.example.com)")]


class Redirects(Family):
    """When a client is told to come back by HTTPS; challenges of certificate authorities are never redirected."""

    https_only: Annotated[
        Flag,
        Label(
            doc="Redirects requests that came by HTTP to HTTPS. Behind something that ends TLS before the proxy, "
            "use `redirectWhenHttpProto` instead. `HTTPS_ONLY` by default.",
            example="true",
            option=True,
            restricts=True,
        ),
    ] = False
    https_redirect_code: Annotated[
        RedirectCode,
        Label(doc="The status of redirects to HTTPS; 302 by default.", example="301", option=True),
    ] = None
    redirect_from_domain: Annotated[
        ListOf[WholeDomain],
        Label(
            doc="Domains whose requests are sent on, with status 301 and the same path, to the first `serviceDomain`.",
            example="acme.com,old.acme.com",
            modes=EVERY_MODE,
        ),
    ] = ()
    redirect_when_http_proto: Annotated[
        Flag,
        Label(
            doc="Redirects to HTTPS if `X-Forwarded-Proto` says `http`; for who is believed see `TRUSTED_PROXIES`.",
            example="true",
            indexed=False,
            option=True,
            restricts=True,
        ),
    ] = False
    redirect_unless_https_proto: Annotated[
        Flag,
        Label(
            doc="Redirects to HTTPS unless the header `X-Forwarded-Proto` says `https`; also when there is none.",
            example="true",
            indexed=False,
            option=True,
            restricts=True,
        ),
    ] = False
