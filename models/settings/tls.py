"""Certificates, and how TLS is spoken."""

import re
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field

from models.base import Frozen
from models.settings.values import File
from models.types import Flag, ListOf


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
    enable_h3: Annotated[Flag, Field(description="Speak HTTP/3 with TLS clients that can, where HAProxy has QUIC.")] = (
        False
    )
    ssl_bind_options: Annotated[
        str, AfterValidator(_checked_words), Field(description="HAProxy's `ssl-default-bind-options`.")
    ] = "ssl-min-ver TLSv1.2 no-tls-tickets"
    ssl_bind_ciphers: Annotated[
        str, AfterValidator(_checked_ciphers), Field(description="Ciphers of TLS 1.2, `ssl-default-bind-ciphers`.")
    ] = (
        "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
        "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305"
    )
