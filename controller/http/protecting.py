"""What protects every path alike: bounds on what is sent, and headers that tell browsers what to leave alone."""

from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LONGEST_URL = 64 * 1024
"""Bytes of a path and its query, as they are sent."""
LARGEST_BODY = 512 * 1024
"""Bytes; Swarm takes config objects of up to 500 kB, and nothing larger is kept."""
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Protected:
    """An application with bounds, each of whose answers has the headers; those that it gives itself stay."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_protected(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        if len(scope["raw_path"]) + len(scope["query_string"]) > LONGEST_URL:
            refusal = JSONResponse({"detail": f"the URL is longer than {LONGEST_URL // 1024} KiB"}, 414)
            await refusal(scope, receive, send_protected)
            return
        await self._app(scope, _bounded(receive), send_protected)


def _bounded(receive: Receive) -> Receive:
    """Return what gives the parts of a body as long as it is not too large; nobody has to read it."""
    size = 0

    async def receive_bounded() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > LARGEST_BODY:
            words = f"the body is larger than {LARGEST_BODY // 1024} KiB"
            raise HTTPException(413, words, headers={"Connection": "close"})  # or the rest would still be read
        return message

    return receive_bounded
