"""How long HAProxy waits for clients and services."""

from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.settings.values import Seconds


class Timeouts(Frozen):
    """Seconds after which HAProxy gives up."""

    timeout_connect: Annotated[Seconds, Field(description="Seconds to connect to a service.")] = 5
    timeout_client: Annotated[Seconds, Field(description="Seconds a client may be silent.")] = 20
    timeout_server: Annotated[Seconds, Field(description="Seconds a service may be silent.")] = 20
    timeout_queue: Annotated[Seconds, Field(description="Seconds a request may wait for a free connection.")] = 30
    timeout_tunnel: Annotated[Seconds, Field(description="Seconds a tunnel (WebSocket) may be silent.")] = 3600
    timeout_http_request: Annotated[Seconds, Field(description="Seconds for a request's headers to arrive.")] = 5
    timeout_http_keep_alive: Annotated[Seconds, Field(description="Seconds to wait for the next request.")] = 15
