"""Labels about the connection to the service: how long it may be silent, and what becomes of it."""

from typing import Annotated, Literal

from pydantic import BeforeValidator, Field

from models.labels._table import CONNECTIONS, EVERY_MODE, Effect, Family, Label
from models.types import Allowed, Flag, Number

_TCP_TIMEOUT = "with `reqMode=tcp` or `sni` a profile, since HAProxy has no rule that sets it there"
Seconds = Annotated[Number | None, Field(ge=1, le=604800), Allowed("whole seconds from 1 to 604800 (a week)")]
_SUCCESSORS = {"http-tunnel": "http-keep-alive", "forceclose": "httpclose"}
"""Modes that HAProxy no longer has (fatal since 2.1 and 2.0), and what comes closest."""


def _to_mode(value: object) -> object:
    return _SUCCESSORS.get(value, value) if isinstance(value, str) else value


ConnectionMode = Annotated[
    Literal["http-keep-alive", "http-server-close", "httpclose"] | None,
    BeforeValidator(_to_mode),
    Allowed("http-keep-alive, http-server-close or httpclose (also http-tunnel and forceclose, for DFP's sake)"),
]


class Connection(Family):
    """How the proxy and the service talk."""

    timeout_server: Annotated[
        Seconds,
        Label(
            doc="Seconds the service may be silent; `TIMEOUT_SERVER` by default.",
            example="60",
            option=True,
            why=_TCP_TIMEOUT,
            modes=EVERY_MODE,
        ),
    ] = None
    timeout_tunnel: Annotated[
        Seconds,
        Label(
            doc="Seconds a tunnel (WebSocket) may be silent; `TIMEOUT_TUNNEL` by default.",
            example="7200",
            option=True,
            why=_TCP_TIMEOUT,
            modes=EVERY_MODE,
        ),
    ] = None
    timeout_client: Annotated[
        Seconds,
        Label(
            doc="With `reqMode=tcp` or `sni`: seconds the client may be silent; `TIMEOUT_CLIENT` by default.",
            example="60",
            effect=Effect.RELOAD,
            why="HAProxy takes the options of a port only from its configuration",
            modes=CONNECTIONS,
        ),
    ] = None
    clitcpka: Annotated[
        Flag,
        Label(
            doc="With `reqMode=tcp` or `sni`: keeps connections of clients alive with TCP keepalive packets. It is "
            "for all connections of a port as soon as one of its services asks for it.",
            example="true",
            effect=Effect.RELOAD,
            why="HAProxy takes the options of a port only from its configuration",
            modes=CONNECTIONS,
        ),
    ] = False
    ssl_verify_none: Annotated[
        Flag,
        Label(
            doc="The service speaks TLS; its certificate is not verified.",
            example="true",
            effect=Effect.PROFILE,
            why="a server keeps the options that it was made with",
            not_with_sni="TLS is between client and service, the proxy adds none of its own",
            modes=("http", "tcp"),
        ),
    ] = False
    connection_mode: Annotated[
        ConnectionMode,
        Label(
            doc="What becomes of connections after an answer; `CONNECTION_MODE` by default.",
            example="http-server-close",
            indexed=False,
            effect=Effect.PROFILE,
            why="HAProxy takes it only from its configuration",
        ),
    ] = None

    @property
    def tcp_timeout(self) -> int | None:
        """Seconds after which an idle TCP connection is closed; None for the proxy's own.

        HAProxy's ``timeout tunnel`` replaces those of both sides as soon as a TCP connection is established
        (Configuration manual 4.2), so the labels about the sides have to become one.
        """
        return self.timeout_tunnel or min(filter(None, (self.timeout_client, self.timeout_server)), default=None)
