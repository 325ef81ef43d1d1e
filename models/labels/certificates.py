"""Labels about certificates of the service as a whole."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import Allowed

_LARGEST = 64 * 1024


def _with_line_ends(value: object) -> object:
    r"""Return the text with line ends for ``\n`` written as two characters. Source: DFP's ``serviceCert``."""
    return value.replace("\\n", "\n").strip() if isinstance(value, str) else value


def _checked(value: str) -> str:
    if not re.match(r"-----BEGIN [A-Z0-9 ]+-----", value) or not value.isascii():
        raise ValueError("is not a text in PEM form")
    return value


PemText = Annotated[
    str,
    BeforeValidator(_with_line_ends),
    Field(max_length=_LARGEST),
    AfterValidator(_checked),
    Allowed("a certificate and its private key in PEM form, line ends may be written as \\n"),
]


class Certificates(Family):
    """What the service brings along for TLS."""

    service_cert: Annotated[
        PemText | None,
        Field(repr=False),
        Label(
            doc="A certificate with its chain and private key. It is shown to clients as long as the service exists. "
            "Better kept in a secret `cert-*` of the proxy: everybody who can inspect the service can read a label.",
            example="-----BEGIN CERTIFICATE-----\\nMII...\\n-----END PRIVATE KEY-----",
            indexed=False,
            effect=Effect.RUNTIME,
            secret=True,
            modes=EVERY_MODE,
        ),
    ] = None
