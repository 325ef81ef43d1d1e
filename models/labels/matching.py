"""Labels that decide which requests are a destination's. They become map entries, not configuration lines."""

from typing import Annotated, Literal

from models.labels._table import Effect, Family, Label
from models.types import Allowed, DomainPattern, ListOf, PathPrefix, Port

RequestMode = Annotated[Literal["http", "tcp"], Allowed("http or tcp")]


class Matching(Family):
    """Which requests, or which TCP port, a destination claims."""

    service_path: Annotated[
        ListOf[PathPrefix],
        Label(
            doc="URL path prefixes. Longest prefix wins over all services; `/demo` also matches `/demo1`. "
            "`/` by default if there is a `serviceDomain`.",
            example="/demo/hello,/demo/person",
        ),
    ] = ()
    service_domain: Annotated[
        ListOf[DomainPattern],
        Label(
            doc="Domains the request must be for. A leading `*` matches any beginning. "
            "Exact domains win over wildcards, longer wildcards over shorter ones.",
            example="my-domain.com,*.my-other-domain.com",
        ),
    ] = ()
    req_mode: Annotated[
        RequestMode,
        Label(doc="`http`, or `tcp` to pass a whole port through.", example="tcp", effect=Effect.RELOAD),
    ] = "http"
    src_port: Annotated[
        Port | None,
        Label(
            doc="With `reqMode=tcp`: the port the proxy listens on for this destination.",
            example="6379",
            effect=Effect.RELOAD,
        ),
    ] = None
