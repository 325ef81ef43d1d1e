"""The container's health check: asks the controller whether it is ready.

It runs every few seconds, so it imports next to nothing: a bare socket speaks enough HTTP.
"""

import os
import socket
import sys

_TIMEOUT = 2.0
_LARGEST = 65536


def main() -> int:
    """Return 0 if the controller on this machine is ready, 1 otherwise with the reason on standard output."""
    try:
        answer = _ask(int(os.environ.get("PORT") or 8080))
    except OSError as error:
        sys.stdout.write(f"the controller does not answer: {error}\n")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode(errors="replace") + "\n")
    return 0 if head.split(b" ", 2)[1:2] == [b"200"] else 1


def _ask(port: int) -> bytes:
    with socket.create_connection(("127.0.0.1", port), _TIMEOUT) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(_LARGEST):
            parts.append(part)
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main())
