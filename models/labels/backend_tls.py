"""Labels about TLS between proxy and service."""

from typing import Annotated

from models.labels._table import Effect, Family, Label
from models.types import ObjectName


class BackendTls(Family):
    """How the service proves to the proxy who it is."""

    ssl_verify_ca: Annotated[
        ObjectName | None,
        Label(
            doc="Requests are sent by TLS, to servers whose certificate is of this authority and for the name of the "
            "service (or `outboundHostname`). The value is the name of a file in the folder `ca` of `CERTS_DIR`, or "
            "of a secret `ca-*` or `ca_*`.",
            example="ca-internal",
            effect=Effect.PROFILE,
            why="a server keeps the options that it was made with",
            not_with_sni="TLS is between client and service, who verifies the service's certificate is the client",
            modes=("http", "tcp"),
        ),
    ] = None
