"""Labels that send clients from HTTP to HTTPS."""

from typing import Annotated, Literal

from models.labels._table import Effect, Family, Label
from models.types import Allowed, Flag

RedirectCode = Annotated[Literal["301", "302", "303", "307", "308"] | None, Allowed("one of 301, 302, 303, 307, 308")]


class Redirects(Family):
    """When a client is told to come back by HTTPS; challenges of certificate authorities are never redirected."""

    https_only: Annotated[
        Flag,
        Label(
            doc="Redirects requests that came by HTTP to HTTPS. Behind something that ends TLS before the proxy, "
            "use `redirectWhenHttpProto` instead.",
            example="true",
            effect=Effect.PROFILE,
            restricts=True,
        ),
    ] = False
    https_redirect_code: Annotated[
        RedirectCode,
        Label(doc="The status of redirects to HTTPS; 302 by default.", example="301", effect=Effect.PROFILE),
    ] = None
    redirect_when_http_proto: Annotated[
        Flag,
        Label(
            doc="Redirects to HTTPS when the header `X-Forwarded-Proto` says `http`.",
            example="true",
            indexed=False,
            effect=Effect.PROFILE,
            restricts=True,
        ),
    ] = False
    redirect_unless_https_proto: Annotated[
        Flag,
        Label(
            doc="Redirects to HTTPS unless the header `X-Forwarded-Proto` says `https`; also when there is none.",
            example="true",
            indexed=False,
            effect=Effect.PROFILE,
            restricts=True,
        ),
    ] = False
