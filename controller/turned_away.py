"""Tells of clients that do not prove by TLS who they are: at once, but seldom, however many of them come.

The one who was turned away is told nothing by TLS 1.3 but that, and often cannot tell anybody.
"""

import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import structlog

log = structlog.get_logger()

_SELDOM = 60.0
"""Seconds between lines that give the same reason."""
_NO_AUTHORITY = "its certificate comes from no authority in LISTENER_TLS_CA here"
_VERIFYING = MappingProxyType(
    {
        9: "its certificate is not valid yet: compare the clocks",
        10: "its certificate has expired",
        18: _NO_AUTHORITY,
        19: _NO_AUTHORITY,
        20: _NO_AUTHORITY,
        21: _NO_AUTHORITY,
        26: "its certificate is not one for clients",
    }
)
"""By OpenSSL's number of what is wrong with a client's certificate (``X509_V_ERR_...``)."""
_REASONS = MappingProxyType(
    {
        "PEER_DID_NOT_RETURN_A_CERTIFICATE": "it shows no certificate",
        "TLSV1_ALERT_UNKNOWN_CA": "it does not know the authority of LISTENER_TLS_CERT here",
        "SSLV3_ALERT_CERTIFICATE_EXPIRED": "it says that the certificate in LISTENER_TLS_CERT here has expired",
        "SSLV3_ALERT_BAD_CERTIFICATE": "it does not take the certificate in LISTENER_TLS_CERT here",
        "HTTP_REQUEST": "it speaks no TLS",
        "WRONG_VERSION_NUMBER": "it speaks no TLS",
    }
)
"""By OpenSSL's name of what went wrong."""
_OTHER = "TLS fails"
_TO_BE_CONTINUED = (ssl.SSLWantReadError, ssl.SSLWantWriteError, ssl.SSLSyscallError)
_GONE = (ssl.SSLEOFError, ssl.SSLZeroReturnError)


@dataclass(slots=True)
class _Line:
    """When a reason was told last, in the clock's seconds, and how many were turned away for it since."""

    told: float
    since: int = 0


class TurnedAway:
    """Tells of each reason at once, and then once a minute at most, with the number of those in between."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lines: dict[str, _Line] = {}

    def note(self, error: ssl.SSLError) -> None:
        """Note that a handshake has failed, unless the client has only left."""
        if isinstance(error, (*_TO_BE_CONTINUED, *_GONE)):
            return
        now, reason = self._clock(), _reason(error)
        line = self._lines.get(reason)
        if line is not None and now - line.told < _SELDOM:
            line.since += 1
            return
        log.warning(
            "A client was turned away",
            reason=reason,
            openssl=error.reason,
            and_since_last_told=line.since if line else 0,
        )
        self._lines[reason] = _Line(now)


def telling(context: ssl.SSLContext, turned_away: TurnedAway) -> ssl.SSLContext:
    """Return a context for a server, all of whose connections tell when their handshakes fail."""

    class Told(ssl.SSLObject):
        def do_handshake(self) -> None:
            try:
                super().do_handshake()
            except ssl.SSLError as error:
                turned_away.note(error)
                raise

    context.sslobject_class = Told
    return context


def _reason(error: ssl.SSLError) -> str:
    """Return one of a few reasons, so that there are never more of them to keep."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _VERIFYING.get(error.verify_code, "its certificate is of no use")
    return _REASONS.get((error.reason or "").upper(), _OTHER)
