"""Labels that ask clients for a certificate."""

from typing import Annotated

from models.labels._table import Family, Label
from models.types import Flag


class ClientCertificates(Family):
    """Which clients have to prove who they are by TLS."""

    verify_client_ssl: Annotated[
        Flag,
        Label(
            doc="Only clients with a certificate of an authority in the proxy's `CA_FILE` are let in, others get 403.",
            example="true",
            option=True,
            restricts=True,
        ),
    ] = False
