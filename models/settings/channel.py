"""The channel between listeners and proxies: how each side proves to the other who it is."""

from typing import Annotated, Self

from pydantic import Field, model_validator

from models.base import Frozen
from models.settings.values import MountedFile


class Channel(Frozen):
    """Mutual TLS, on both roles alike: what this side shows, and by whom the other side's must have been issued."""

    listener_tls_cert: Annotated[
        MountedFile | None,
        Field(
            description="This side's certificate for TLS between listeners and proxies, its chain and (without "
            "`LISTENER_TLS_KEY`) its key in one file; the secret holds the file itself. A file that is replaced is "
            "used from the next request on."
        ),
    ] = None
    listener_tls_key: Annotated[
        MountedFile | None, Field(description="The key of `LISTENER_TLS_CERT`, if that file has none; likewise.")
    ] = None
    listener_tls_ca: Annotated[
        MountedFile | None,
        Field(
            description="The authorities that the other side's certificate must come from, and nobody else's should; "
            "likewise."
        ),
    ] = None

    @property
    def has_tls(self) -> bool:
        """Whether this side can speak TLS with the other one."""
        return self.listener_tls_cert is not None

    @model_validator(mode="after")
    def _tls_needs_both_sides(self) -> Self:
        if (self.listener_tls_cert is None) != (self.listener_tls_ca is None):
            raise ValueError(
                "LISTENER_TLS_CERT and LISTENER_TLS_CA must be set together: both sides prove who they are"
            )
        if self.listener_tls_key is not None and self.listener_tls_cert is None:
            raise ValueError("LISTENER_TLS_KEY is the key of LISTENER_TLS_CERT, which is not set")
        return self
