"""`ProxyService`: one Swarm service as its labels declare it, valid in itself.

Each label family is one field here, in the order in which HAProxy works through them; the label table is
built from these fields, so a family that is not listed does not exist.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

from models.base import Frozen
from models.labels._table import Family, Row, rows_of
from models.labels.access import Access
from models.labels.authentication import Authentication
from models.labels.backend_tls import BackendTls
from models.labels.balancing import Balancing
from models.labels.certificates import Certificates
from models.labels.client_certificates import ClientCertificates
from models.labels.compression import Compression
from models.labels.connection import Connection
from models.labels.custom import Custom
from models.labels.headers import Headers
from models.labels.health import Health
from models.labels.identity import Identity
from models.labels.limits import Limits
from models.labels.matching import Matching
from models.labels.redirects import Redirects
from models.labels.rewriting import Rewriting
from models.labels.target import Target
from models.labels.traffic import Traffic
from models.predicates import Predicate
from models.snapshot import without_stack


class Destination(Frozen):
    """One way into a service: what is matched, and what happens to it.

    ``index`` is that of its labels: 0 for the bare ones, N for ``com.df.port.N``.
    """

    index: int = 0
    matching: Matching = Matching()
    access: Access = Access()
    limits: Limits = Limits()
    redirects: Redirects = Redirects()
    client_certificates: ClientCertificates = ClientCertificates()
    authentication: Authentication = Authentication()
    headers: Headers = Headers()
    rewriting: Rewriting = Rewriting()
    connection: Connection = Connection()
    compression: Compression = Compression()
    health: Health = Health()
    balancing: Balancing = Balancing()
    custom: Custom = Custom()
    backend_tls: BackendTls = BackendTls()
    target: Target = Target()
    traffic: Traffic = Traffic()

    @property
    def said(self) -> Iterator[tuple[str, Family]]:
        """The families that labels say something of, by name; the others are the very objects that all share."""
        values = self.__dict__
        return ((name, family) for name, unsaid in _UNSAID_BY_NAME if (family := values[name]) is not unsaid)


@dataclass(frozen=True, slots=True)
class Way:
    """One backend of a destination: requests of one protocol, going to one port of the service.

    ``predicates`` are tests that the requests must pass besides those of the destination.
    """

    backend: str
    port: int
    predicates: tuple[Predicate, ...] = ()


class ProxyService(Frozen):
    """A service with all its destinations, at least one; ``stack`` is the name of its stack, if it has one."""

    name: str
    stack: str = ""
    identity: Identity = Identity()
    certificates: Certificates = Certificates()
    destinations: tuple[Destination, ...]

    @cached_property
    def acl_name(self) -> str:
        """The name used in HAProxy."""
        return self.identity.acl_name or self.published_name

    @property
    def published_name(self) -> str:
        """The name that DFSL told DFP: its servers, and the realm of its users, are called after it."""
        return without_stack(self.name, self.stack) if self.identity.short_name else self.name

    def ways(self, destination: Destination) -> tuple[Way, ...]:
        """Return the backends of a destination, named as DFP names them, so that dashboards carry over.

        ``<aclName>-be<port>_<index>``, and ``https-<aclName>-be<httpsPort>_<index>`` if there is an ``httpsPort``.
        """
        target, index = destination.target, destination.index
        ways = []
        if target.port is not None:
            ways.append(Way(f"{self.acl_name}-be{target.port}_{index}", target.port))
        if target.https_port is not None and destination.matching.req_mode == "http":
            came_by_https = Predicate("dst_port", (str(destination.matching.src_https_port),))
            ways.append(
                Way(f"https-{self.acl_name}-be{target.https_port}_{index}", target.https_port, (came_by_https,))
            )
        return tuple(ways)


def _families(model: type[Frozen]) -> dict[str, type[Family]]:
    return {
        name: field.annotation
        for name, field in model.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Family)
    }


DESTINATION_FAMILIES = _families(Destination)
SERVICE_FAMILIES = _families(ProxyService)

UNSAID: Mapping[type[Family], Any] = MappingProxyType(
    {
        type(field.default): field.default
        for model in (ProxyService, Destination)
        for field in model.model_fields.values()
        if isinstance(field.default, Family)
    }
)
"""What a family is if no label of it is given."""

_UNSAID_BY_NAME = tuple((name, UNSAID[model]) for name, model in DESTINATION_FAMILIES.items())

TABLE: dict[str, Row] = {
    row.name: row for name, family in (SERVICE_FAMILIES | DESTINATION_FAMILIES).items() for row in rows_of(name, family)
}
"""Every label by its name without prefix and index."""

SPELLINGS: dict[str, Row] = TABLE | {alias: row for row in TABLE.values() for alias in row.label.aliases}
"""The same, and every label by the names it had in earlier times."""
