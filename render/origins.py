"""Which variable a line of the configuration came from, so that what HAProxy says of the line can be put right.

Lines that were written for services have owners (`render.files.Rendered`); these here are the proxy's own.
"""

import re

_PORTS = "DEFAULT_PORTS or BIND_PORTS"
_ORIGINS = (
    ("SSL_BIND_OPTIONS", r"\| ssl-default-(bind|server)-options "),
    ("SSL_BIND_CIPHERS", r"\| ssl-default-(bind|server)-ciphers "),
    (_PORTS, r"\| bind .* ciphers .*\|.* cipher list "),
    ("SSL_BIND_CIPHERS", r"\| (bind|server) .*\|.* cipher list "),
    ("CA_FILE", r"\| bind .*\|.*'ca-file'"),
    ("CRT_LIST_PATH", r"\| bind .*\|.*'crt-list'"),
    ("STATS_PORT", r"^frontend stats .*\| bind "),
    (_PORTS, r"^frontend services .*\| bind "),
    (_PORTS, r"^frontend service_[0-9]+ .*\| bind \S+ "),
    # HAProxy 2.8 says it of the last rule of the frontend that has a format, too.
    ("DEBUG_TCP_FORMAT", r"^defaults logged-tcp .*\|.*failed to parse log-format"),
    ("DEBUG_HTTP_FORMAT", r"^frontend (services|stats) .*\|.*failed to parse log-format"),
    ("CAPTURE_REQUEST_HEADER", r"\| capture request header "),
)
"""Variables, and what is told of their lines: the section's first line, the line itself, and HAProxy's words."""


def variable_of(config: str, number: int, words: str) -> str | None:
    """Return the variable behind a line (from 1) that HAProxy says ``words`` about; None if there is none."""
    lines = config.splitlines()[:number]
    if not lines:
        return None
    section = next((line for line in reversed(lines) if re.match(r"[a-z]", line)), "")
    told = f"{section} | {lines[-1].strip()} | {words}"
    return next((variable for variable, pattern in _ORIGINS if re.search(pattern, told)), None)
