"""`ProxyService`: one Swarm service as its labels declare it, valid in itself.

Each label family is one field here, in the order in which HAProxy works through them; the label table is
built from these fields, so a family that is not listed does not exist.
"""

from functools import cached_property

from models.base import Frozen
from models.labels._table import Family, Row, rows_of
from models.labels.access import Access
from models.labels.authentication import Authentication
from models.labels.backend_tls import BackendTls
from models.labels.certificates import Certificates
from models.labels.client_certificates import ClientCertificates
from models.labels.compression import Compression
from models.labels.connection import Connection
from models.labels.headers import Headers
from models.labels.identity import Identity
from models.labels.matching import Matching
from models.labels.redirects import Redirects
from models.labels.rewriting import Rewriting
from models.labels.target import Target


class Destination(Frozen):
    """One way into a service: what is matched, and what happens to it.

    ``index`` is that of its labels: 0 for the bare ones, N for ``com.df.port.N``.
    """

    index: int = 0
    matching: Matching = Matching()
    access: Access = Access()
    redirects: Redirects = Redirects()
    client_certificates: ClientCertificates = ClientCertificates()
    authentication: Authentication = Authentication()
    headers: Headers = Headers()
    rewriting: Rewriting = Rewriting()
    connection: Connection = Connection()
    compression: Compression = Compression()
    backend_tls: BackendTls = BackendTls()
    target: Target = Target()


class ProxyService(Frozen):
    """A service with all its destinations, at least one."""

    name: str
    identity: Identity = Identity()
    certificates: Certificates = Certificates()
    destinations: tuple[Destination, ...]

    @cached_property
    def acl_name(self) -> str:
        """The name used in HAProxy."""
        return self.identity.acl_name or self.name

    def backend_name(self, destination: Destination) -> str:
        """Return the backend's name as DFP forms it, ``<aclName>-be<port>_<index>``, so that dashboards carry over."""
        return f"{self.acl_name}-be{destination.target.port}_{destination.index}"


def _families(model: type[Frozen]) -> dict[str, type[Family]]:
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Family)
    }


DESTINATION_FAMILIES = _families(Destination)
SERVICE_FAMILIES = _families(ProxyService)

TABLE: dict[str, Row] = {
    row.name: row for name, family in (SERVICE_FAMILIES | DESTINATION_FAMILIES).items() for row in rows_of(name, family)
}
"""Every label by its name without prefix and index."""
