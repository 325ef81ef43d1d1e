"""The container's health check: asks the controller whether it is ready.

It runs every few seconds, so it imports next to nothing: a bare socket speaks enough HTTP.
"""

import os
import socket
import sys

_SECRETS = "/run/secrets"
_TIMEOUT = 8.0
_LARGEST = 65536
_EVERYWHERE = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - an address to compare with
"""Addresses that stand for all of a machine's, and one of these."""


def main(secrets: str = _SECRETS) -> int:
    """Return 0 if the controller on this machine is ready, 1 otherwise with the reason on standard output.

    With ``HEALTHCHECK=false`` nobody is asked. Variables may be secrets in the folder ``secrets``, as everywhere.
    """
    if _variable("HEALTHCHECK", secrets).lower() in {"false", "f", "0"}:
        sys.stdout.write("the health check is switched off (HEALTHCHECK)\n")
        return 0
    ip, port = _variable("IP", secrets) or "127.0.0.1", _variable("PORT", secrets) or "8080"
    try:
        answer = _ask(_EVERYWHERE.get(ip, ip), int(port))
    except (OSError, ValueError) as error:
        sys.stdout.write(f"the controller does not answer: {error}\n")
        return 1
    head, _, body = answer.partition(b"\r\n\r\n")
    sys.stdout.write(body.decode(errors="replace") + "\n")
    return 0 if head.split(b" ", 2)[1:2] == [b"200"] else 1


def _variable(name: str, secrets: str) -> str:
    """Return a variable, or what the secret says that is mounted for it."""
    try:
        with open(f"{secrets}/dfp_{name.lower()}", encoding="utf-8") as file:  # noqa: PTH123 - pathlib is slow to import
            said = file.read().strip()
    except (OSError, UnicodeDecodeError):
        said = ""
    return said or os.environ.get(name, "").strip()


def _ask(ip: str, port: int) -> bytes:
    with socket.create_connection((ip, port), _TIMEOUT) as connection:
        connection.sendall(b"GET /readyz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        parts = []
        while part := connection.recv(_LARGEST):
            parts.append(part)
    return b"".join(parts)


if __name__ == "__main__":
    sys.exit(main())
