"""What holds for the services that do not say otherwise by a label of their own."""

from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.labels.compression import Algorithms, MediaTypes
from models.labels.connection import ConnectionMode
from models.labels.matching import DomainAlgorithm, RequestMode
from models.types import Flag

_KEEP_ALIVE = "http-keep-alive"
"""What HAProxy does anyway, so nobody has to say it."""


class LabelDefaults(Frozen):
    """Defaults of labels; a service's own label wins, by index too."""

    default_req_mode: Annotated[RequestMode, Field(description="The default of `com.df.reqMode`.")] = "http"
    https_only: Annotated[
        Flag,
        Field(description="The default of `com.df.httpsOnly`: requests that came by HTTP are redirected to HTTPS."),
    ] = False
    service_domain_algo: Annotated[
        DomainAlgorithm | None,
        Field(description="The default of `com.df.serviceDomainAlgo`; without it domains are compared exactly."),
    ] = None
    connection_mode: Annotated[
        ConnectionMode,
        Field(description="The default of `com.df.connectionMode`: what becomes of connections after an answer."),
    ] = "http-keep-alive"
    compression_algo: Annotated[
        Algorithms, Field(description="The default of `com.df.compressionAlgo`; without it nothing is compressed.")
    ] = ()
    compression_type: Annotated[
        MediaTypes, Field(description="The default of `com.df.compressionType`; without it, all media types.")
    ] = ()

    @property
    def label_defaults(self) -> tuple[tuple[str, str], ...]:
        """The values, as a service would write them, by the name of their label; only those that change anything."""
        texts = {
            "reqMode": "" if self.default_req_mode == "http" else self.default_req_mode,
            "httpsOnly": "true" if self.https_only else "",
            "serviceDomainAlgo": self.service_domain_algo or "",
            "connectionMode": "" if self.connection_mode == _KEEP_ALIVE else self.connection_mode or "",
            "compressionAlgo": " ".join(self.compression_algo),
            "compressionType": " ".join(self.compression_type),
        }
        return tuple((label, text) for label, text in texts.items() if text)
