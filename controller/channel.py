"""The channel between listeners and proxies: mutual TLS, from files that may be replaced at any time.

Every request is a connection of its own, and no session is resumed: who may ask, and by which certificates, is
decided anew each time, so a file that was replaced is in force from the next request on. TLS 1.3 only, since both
sides are ours.
"""

import ssl
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import Self

import httpx
import structlog
from cryptography import x509

from controller.errors import MisconfiguredError
from controller.turned_away import TurnedAway, telling
from models.settings import Settings

log = structlog.get_logger()

_NOT_ITS_NAME = (
    "its certificate is for another name: issue one for {host}, or name it in LISTENER_ADDRESS as its certificate does"
)
_NOT_OUR_AUTHORITY = "its certificate comes from no authority in LISTENER_TLS_CA here"
_NO_TLS = (
    "it speaks no TLS there: set LISTENER_TLS_CERT and LISTENER_TLS_CA at the listener, and name its LISTENER_TLS_PORT"
)
_OURS_HAS_EXPIRED = "the certificate of this proxy has expired: replace LISTENER_TLS_CERT here"
_OUR_AUTHORITY_IS_UNKNOWN = (
    "see that the certificate of this proxy comes from an authority in LISTENER_TLS_CA at the listener"
)
_VERIFYING = MappingProxyType(
    {
        9: "its certificate is not valid yet: compare the clocks",
        10: "its certificate has expired: replace LISTENER_TLS_CERT at the listener",
        18: _NOT_OUR_AUTHORITY,
        19: _NOT_OUR_AUTHORITY,
        20: _NOT_OUR_AUTHORITY,
        21: _NOT_OUR_AUTHORITY,
        26: "its certificate is not one for servers",
        62: _NOT_ITS_NAME,
        64: _NOT_ITS_NAME,
    }
)
"""What to do, by OpenSSL's number of what is wrong with the other side's certificate (``X509_V_ERR_...``)."""
_TOLD = MappingProxyType(
    {
        "UNKNOWN_CA": _OUR_AUTHORITY_IS_UNKNOWN,
        "CERTIFICATE_EXPIRED": _OURS_HAS_EXPIRED,
        "CERTIFICATE_REQUIRED": "it wants a certificate: set LISTENER_TLS_CERT here",
        "CERTIFICATE": "it does not take the certificate of this proxy: see that it is one for clients",
        "WRONG_VERSION_NUMBER": _NO_TLS,
        "RECORD_LAYER_FAILURE": _NO_TLS,
        "PACKET_LENGTH_TOO_LONG": _NO_TLS,
    }
)
"""What to do, by a part of OpenSSL's name for what went wrong; the first one that it has counts."""


@dataclass(frozen=True, slots=True)
class ChannelFiles:
    """Where one side's certificate, its key (None: in the same file) and the other side's authorities are."""

    cert: Path
    key: Path | None
    ca: Path

    @classmethod
    def of(cls, settings: Settings) -> Self | None:
        """Return the files that the settings name; None if they name none."""
        cert, ca = settings.listener_tls_cert, settings.listener_tls_ca
        return cls(cert, settings.listener_tls_key, ca) if cert and ca else None

    def stamps(self) -> tuple[tuple[int, ...] | None, ...]:
        """Return what changes when a file is replaced."""
        return tuple(map(_stamp, (self.cert, self.key, self.ca)))

    def context(self, protocol: int) -> ssl.SSLContext:
        """Return a context for one side (``ssl.PROTOCOL_TLS_SERVER`` or ``..._CLIENT``).

        Raises:
            MisconfiguredError: a file cannot be used; the text says which one and why.
        """
        context = ssl.SSLContext(protocol)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_mode = ssl.CERT_REQUIRED
        if protocol == ssl.PROTOCOL_TLS_SERVER:
            context.num_tickets = 0
        try:
            context.load_verify_locations(self.ca)
        except OSError as error:
            raise MisconfiguredError(f"LISTENER_TLS_CA, {self.ca}: {_words(error)}") from None
        try:
            # A password would be asked for on a terminal that nobody sits at.
            context.load_cert_chain(self.cert, self.key, password=_no_password)
        except (OSError, ValueError) as error:
            key = f" with LISTENER_TLS_KEY, {self.key}" if self.key else ""
            raise MisconfiguredError(f"LISTENER_TLS_CERT, {self.cert}{key}: {_words(error)}") from None
        return context


class Rotating:
    """The context in force: another one as soon as a file is another one, unless that is of no use.

    Raises:
        MisconfiguredError: as it is made, a file cannot be used.
    """

    def __init__(self, files: ChannelFiles, protocol: int) -> None:
        self._files = files
        self._protocol = protocol
        self._stamps = files.stamps()
        self._context = files.context(protocol)

    def current(self) -> ssl.SSLContext:
        """Return the context for the next connection."""
        stamps = self._files.stamps()
        if stamps == self._stamps:
            return self._context
        self._stamps = stamps
        try:
            self._context = self._files.context(self._protocol)
        except MisconfiguredError as error:
            log.warning("Files for TLS are of no use, the last good ones stay in force", error=str(error))
        else:
            log.info("Files for TLS were replaced", certificate=str(self._files.cert))
        return self._context


def serving_context(files: ChannelFiles) -> ssl.SSLContext:
    """Return a context to listen with, each of whose connections gets the one that is in force then.

    Raises:
        MisconfiguredError: a file cannot be used.
    """
    rotating = Rotating(files, ssl.PROTOCOL_TLS_SERVER)

    def choose(connection: ssl.SSLObject, _name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = rotating.current()

    listening = files.context(ssl.PROTOCOL_TLS_SERVER)
    listening.sni_callback = choose  # called for every connection, also if the client names no host
    return telling(listening, TurnedAway())


class ChannelError(httpx.TransportError):
    """The other side is there, and TLS with it fails; the text says what to do."""


class ChannelTransport(httpx.AsyncBaseTransport):
    """Sends each request with the certificate that is in force then.

    Raises:
        MisconfiguredError: as it is made, a file cannot be used.
    """

    def __init__(self, files: ChannelFiles) -> None:
        self._files = files
        self._rotating = Rotating(files, ssl.PROTOCOL_TLS_CLIENT)
        self._context = self._rotating.current()
        self._inner = _sending(self._context)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request by a connection of its own.

        Raises:
            ChannelError: TLS fails.
        """
        context = self._rotating.current()
        if context is not self._context:
            # The one before has no connections but those that are being answered.
            self._inner = _sending(context)
            self._context = context
        try:
            return await self._inner.handle_async_request(request)
        except (httpx.ReadError, httpx.RemoteProtocolError) as error:
            # In TLS 1.3 a client's certificate is refused after its first request, which the alert does not survive.
            words = advice(error, request.url.host) or f"it ends the connection; {_doubt(self._files)}"
            raise ChannelError(words) from error
        except httpx.ConnectError as error:
            if told := advice(error, request.url.host):
                raise ChannelError(told) from error
            raise

    async def aclose(self) -> None:
        """Let go of all connections."""
        await self._inner.aclose()


def _sending(context: ssl.SSLContext) -> httpx.AsyncHTTPTransport:
    return httpx.AsyncHTTPTransport(verify=context, trust_env=False, limits=httpx.Limits(max_keepalive_connections=0))


def mounts(files: ChannelFiles | None) -> dict[str, httpx.AsyncBaseTransport | None]:
    """Return what sends requests to ``https`` addresses, for an ``httpx.AsyncClient``."""
    return {"https://": ChannelTransport(files)} if files else {}


def advice(error: BaseException, host: str) -> str | None:
    """Return what to do about an error of the channel, from a proxy's point of view; None if it is none of TLS."""
    for cause in _causes(error):
        if isinstance(cause, ssl.SSLCertVerificationError) and cause.verify_code in _VERIFYING:
            return _VERIFYING[cause.verify_code].format(host=host)
        if isinstance(cause, ssl.SSLError):
            told = (cause.reason or str(cause)).upper().replace(" ", "_")
            return next((words for part, words in _TOLD.items() if part in told), f"TLS fails ({told})")
    return None


def _doubt(files: ChannelFiles) -> str:
    """Return why the other side may not take our certificate."""
    try:
        shown = x509.load_pem_x509_certificates(files.cert.read_bytes())[0]
    except (OSError, ValueError):
        return "the certificate of this proxy, LISTENER_TLS_CERT, cannot be read"
    if shown.not_valid_after_utc < datetime.now(UTC):
        return _OURS_HAS_EXPIRED
    issuer = shown.issuer.rfc4514_string()
    return f"{_OUR_AUTHORITY_IS_UNKNOWN} (it comes from {issuer}), or it is not one for clients"


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _words(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        told = (error.reason or "").replace("_", " ").lower()
        return told or "there is no certificate with its key in PEM form"
    return (error.strerror or type(error).__name__) if isinstance(error, OSError) else str(error)


def _stamp(path: Path | None) -> tuple[int, ...] | None:
    try:
        found = path.stat() if path else None
    except OSError:
        return None
    return (found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns) if found else None


def _no_password() -> str:
    raise ValueError("the key has a password; it must have none")
