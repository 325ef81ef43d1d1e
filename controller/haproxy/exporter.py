"""HAProxy's own Prometheus exporter, which listens on a socket for the controller only."""

import ssl
from collections.abc import AsyncGenerator, Sequence
from pathlib import Path
from typing import Literal

import httpx

from controller.errors import TemporaryError

Part = Literal["global", "frontend", "backend", "server"]
"""What the exporter can be asked for; of 5,000 services the last two are 34 MB each, unless some metrics are named."""
_PATIENCE = 5.0
"""Seconds for which HAProxy may say nothing."""
_NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""Given to clients so that they read no authorities, which takes longest."""


class Exporter:
    """Asks the exporter behind a socket."""

    def __init__(self, socket: Path) -> None:
        self._socket = str(socket)

    async def page(self, parts: Sequence[Part], metrics: str) -> AsyncGenerator[bytes, None]:
        """Give its page with these parts piece by piece, for the whole may be long.

        ``metrics`` are the names of those wanted, with commas between them, or empty; HAProxy 2.8 gives all the same.

        Raises:
            TemporaryError: HAProxy does not answer, or not to the end.
        """
        transport = httpx.AsyncHTTPTransport(uds=self._socket, verify=_NO_TLS)
        asked = {"scope": sorted(set(parts))} | ({"metrics": [metrics]} if metrics else {})
        try:
            async with (
                httpx.AsyncClient(transport=transport, timeout=_PATIENCE, trust_env=False) as client,
                client.stream("GET", "http://haproxy/metrics", params=asked) as answer,
            ):
                answer.raise_for_status()
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx.HTTPError as error:
            raise TemporaryError(f"HAProxy's exporter does not answer: {str(error) or type(error).__name__}") from error
