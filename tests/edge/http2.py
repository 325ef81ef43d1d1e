"""A client of HTTP/2 that sends any header, allowed or not: frames as bytes, without compression.

Source: RFC 9113 (frames) and RFC 7541 (headers; the indices of statuses are those of its appendix A).
"""

import asyncio
from collections.abc import Sequence

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RESET, _SETTINGS, _GO_AWAY = 0, 1, 3, 4, 7
_END_STREAM, _END_HEADERS = 1, 4
_STATUSES = {0x88: 200, 0x8C: 400, 0x8D: 404, 0x8E: 500}
RESET = -1
"""Stands for a status where the stream or the connection was ended instead."""

Header = tuple[bytes, bytes]


def request(path: bytes, *more: Header, host: bytes = b"web.test", method: bytes = b"GET") -> list[Header]:
    """Return the headers of a request."""
    return [(b":method", method), (b":scheme", b"http"), (b":path", path), (b":authority", host), *more]


async def status_of(port: int, headers: Sequence[Header], body: bytes | None = None) -> int:
    """Send one request over a connection of its own, and return the status of the answer, or `RESET`."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    block = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers)
    writer.write(_PREFACE + _frame(_SETTINGS, 0, b""))
    writer.write(_frame(_HEADERS, _END_HEADERS | (0 if body else _END_STREAM), block, stream=1))
    writer.write(_frame(_DATA, _END_STREAM, body, stream=1) if body else b"")
    try:
        while True:
            size, kind = int.from_bytes(await reader.readexactly(3), "big"), (await reader.readexactly(1))[0]
            await reader.readexactly(5)
            payload = await reader.readexactly(size)
            if kind == _HEADERS:
                return _status(payload)
            if kind in (_RESET, _GO_AWAY):
                return RESET
    except (asyncio.IncompleteReadError, ConnectionError):
        return RESET
    finally:
        writer.close()


def _frame(kind: int, flags: int, payload: bytes, *, stream: int = 0) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes([kind, flags]) + stream.to_bytes(4, "big") + payload


def _text(text: bytes) -> bytes:
    size, prefix = len(text), b""
    if size < 127:
        return bytes([size]) + text
    prefix, size = b"\x7f", size - 127
    while size >= 128:
        prefix, size = prefix + bytes([size % 128 + 128]), size // 128
    return prefix + bytes([size]) + text


def _status(block: bytes) -> int:
    """Return the status that a block of headers begins with: by index, or as three digits without compression."""
    return _STATUSES[block[0]] if block[0] in _STATUSES else int(block[2:5])
