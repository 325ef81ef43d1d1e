"""The container's health check: asks the controller whether it is ready. Standard library only, for it runs often."""

import http.client
import os
import sys

_TIMEOUT = 2.0


def main() -> int:
    """Return 0 if the controller on this machine is ready, 1 otherwise with the reason on standard output."""
    connection = http.client.HTTPConnection("127.0.0.1", int(os.environ.get("PORT") or 8080), timeout=_TIMEOUT)
    try:
        connection.request("GET", "/readyz")
        answer = connection.getresponse()
        sys.stdout.write(answer.read().decode(errors="replace") + "\n")
    except (OSError, http.client.HTTPException) as error:
        sys.stdout.write(f"the controller does not answer: {error}\n")
        return 1
    return 0 if answer.status == http.client.OK else 1


if __name__ == "__main__":
    sys.exit(main())
