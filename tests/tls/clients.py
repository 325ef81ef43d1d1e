"""TLS clients: which certificate they are shown, and what they are answered."""

import http.client
import socket
import ssl
import threading
import warnings
from collections import Counter
from pathlib import Path
from typing import Self

from cryptography import x509


def context(
    *, trusted: Path | None = None, certificate: Path | None = None, rsa_only: bool = False, alpn: tuple[str, ...] = ()
) -> ssl.SSLContext:
    """Return what a client knows: whom it trusts (by default anybody), who it is, and what it can."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if trusted is None:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    else:
        made.load_verify_locations(trusted)
    if certificate is not None:
        made.load_cert_chain(certificate)
    if rsa_only:
        made.maximum_version = ssl.TLSVersion.TLSv1_2
        made.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
    if alpn:
        made.set_alpn_protocols(alpn)
    return made


def old_context() -> ssl.SSLContext:
    """Return a client that knows nothing newer than TLS 1.1."""
    made = context()
    made.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        made.minimum_version = ssl.TLSVersion.TLSv1
        made.maximum_version = ssl.TLSVersion.TLSv1_1
    return made


def handshake(
    port: int, name: str | None = None, client: ssl.SSLContext | None = None, *, address: str = "127.0.0.1"
) -> tuple[int, str | None]:
    """Shake hands, asking for a name or for none; return the serial number shown, and the protocol agreed upon."""
    with (
        socket.create_connection((address, port), timeout=5) as connection,
        (client or context()).wrap_socket(connection, server_hostname=name) as tls,
    ):
        shown = tls.getpeercert(binary_form=True)
        assert shown is not None
        return x509.load_der_x509_certificate(shown).serial_number, tls.selected_alpn_protocol()


def shown(port: int, name: str | None = None, client: ssl.SSLContext | None = None) -> int:
    """Return the serial number of the certificate that a client is shown."""
    return handshake(port, name, client)[0]


def status(port: int, path: str, client: ssl.SSLContext | None = None) -> int:
    """Return the status of a request over a connection of its own."""
    connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=client or context())
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        response.read()
        return response.status
    finally:
        connection.close()


class SecureLoad:
    """Requests over new connections, one after the other, for as long as the block runs."""

    def __init__(self, port: int, path: str) -> None:
        self.answers: Counter[int] = Counter()
        self.errors: list[str] = []
        self._port, self._path = port, path
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._done.is_set():
            try:
                self.answers[status(self._port, self._path)] += 1
            except (OSError, http.client.HTTPException) as error:
                self.errors.append(repr(error))
