"""Certificates, and how TLS is spoken."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from models.base import Frozen
from models.settings.values import File
from models.types import Allowed, Flag, ListOf

_FOR_SERVERS = re.compile(
    r"(?<!\S)((no|force)-(sslv3|tlsv1[0-3])|no-tls-tickets|ssl-(min|max)-ver \S+)(?!\S)", re.ASCII
)
"""What ``ssl-default-server-options`` takes of the words for binds, in all versions from 2.8 on."""


def _checked_words(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._+:=!@-]+( [A-Za-z0-9._+:=!@-]+)*", value):
        raise ValueError("is not a list of words divided by single spaces")
    return value


def _checked_ciphers(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9_+:!@=-]+", value):
        raise ValueError("is not a list of ciphers divided by ':'")
    return value


class Tls(Frozen):
    """Certificates and TLS."""

    certs_dir: Annotated[
        Path,
        Field(description="Folder of certificates; its folder `ca` has authorities for `com.df.sslVerifyCa`."),
    ] = Path("/certs")
    preferred_certificate: Annotated[
        ListOf[str],
        Field(
            description="Patterns of certificate files (`*.example.com.pem`); the first one that matches is shown to "
            "clients that name no host."
        ),
    ] = ()
    crt_list_path: Annotated[
        File | None,
        Field(description="A crt-list of your own, used instead of the one that is made from all certificates."),
    ] = None
    ca_file: Annotated[
        File | None,
        Field(description="Authorities that client certificates are verified with, see `com.df.verifyClientSsl`."),
    ] = None
    enable_h2: Annotated[Flag, Field(description="Speak HTTP/2 with TLS clients that can.")] = True
    enable_h3: Annotated[
        Flag,
        Field(
            description="Speak HTTP/3 with TLS clients that can, where HAProxy has QUIC. Publish the port of HTTPS "
            "once more, with `protocol: udp` and the number that it has inside: clients are told that one."
        ),
    ] = False
    ssl_bind_options: Annotated[
        str,
        AfterValidator(_checked_words),
        Field(
            description="HAProxy's `ssl-default-bind-options`; if set, connections to services follow the same "
            "(`ssl-default-server-options`)."
        ),
        Allowed("HAProxy's words, divided by single spaces"),
    ] = "ssl-min-ver TLSv1.2 no-tls-tickets"
    ssl_bind_ciphers: Annotated[
        str,
        AfterValidator(_checked_ciphers),
        Field(
            description="Ciphers of TLS 1.2, `ssl-default-bind-ciphers`; if set, connections to services follow the "
            "same (`ssl-default-server-ciphers`)."
        ),
        Allowed("OpenSSL's names of ciphers, divided by ':'"),
    ] = (
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )

    @property
    def ssl_server_options(self) -> str:
        """The part of ``SSL_BIND_OPTIONS`` that HAProxy takes for servers; empty if the variable is not set.

        Our own default is stricter than DFP's, and is for clients only: old services would be cut off by it.
        """
        if "ssl_bind_options" not in self.model_fields_set:
            return ""
        return " ".join(match[0] for match in _FOR_SERVERS.finditer(self.ssl_bind_options))

    @property
    def ssl_server_ciphers(self) -> str:
        """``SSL_BIND_CIPHERS`` if it is set."""
        return self.ssl_bind_ciphers if "ssl_bind_ciphers" in self.model_fields_set else ""
