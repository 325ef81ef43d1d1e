"""`Desired`: what HAProxy should run, and what is true of each service; the result of judging a `Snapshot`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from models.certificates import CertificateList
from models.conditions import Condition
from models.notices import Notice
from models.passthrough import PassthroughTable
from models.raw.frontend_lines import OwnRoutes
from models.routing import Claim, Conflict, RoutingTable
from models.service import Destination, ProxyService
from models.tables import Table


@dataclass(frozen=True, slots=True)
class Server:
    """One address that a backend sends requests to."""

    name: str
    address: str
    port: int


@dataclass(frozen=True, slots=True)
class Credential:
    """A user with a password: plain text, or a crypt(3) hash if ``encrypted``."""

    name: str
    password: str = field(repr=False)
    encrypted: bool = False


@dataclass(frozen=True, slots=True)
class UserList:
    """Who may pass, and the realm that is shown to everybody else (Configuration manual 3.4)."""

    realm: str
    credentials: tuple[Credential, ...]


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """Who the servers of a backend have to be, proved by TLS.

    ``authority`` holds certificates in PEM form; ``host`` is the name that theirs must be for, None if any will do.
    """

    authority: str = field(repr=False)
    host: str | None = None


@dataclass(frozen=True, slots=True)
class Backend:
    """One destination of one service, ready to be rendered.

    ``closed``: it answers 503 whatever its servers, because access to it cannot be restricted as asked.
    ``others``: services beside ``service`` whose servers are in it too. ``template``: lines from the operator's file.
    """

    name: str
    service: str
    destination: Destination
    servers: tuple[Server, ...] = ()
    user_list: UserList | None = None
    closed: bool = False
    identity: ServerIdentity | None = None
    others: tuple[str, ...] = ()
    template: tuple[str, ...] = ()

    @property
    def services(self) -> tuple[str, ...]:
        """All services that have servers in it."""
        return (self.service, *self.others)

    @property
    def mode(self) -> Literal["http", "tcp"]:
        """HAProxy's mode of the backend, ``http`` or ``tcp``."""
        return "http" if self.destination.matching.req_mode == "http" else "tcp"


@dataclass(frozen=True, slots=True)
class TemplateTexts:
    """What the files hold that a service names as its templates; None where it names none, or there is none."""

    frontend: str | None = field(default=None, repr=False)
    backend: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class LastGood:
    """A form of a service that can be gone back to, and the labels that it was read from."""

    form: ProxyService
    labels: Mapping[str, str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class TcpFrontend:
    """A port that is passed through to one backend; ``timeout_client`` is in seconds."""

    port: int
    service: str
    backend: str
    timeout_client: int | None = None
    keep_alive: bool = False


@dataclass(frozen=True, slots=True)
class Desired:
    """The whole desired state.

    ``backends_by_name`` are those of all services; ``redirects`` leads from domains to the domains their requests are
    sent on to.

    ``forms`` holds, by Swarm service id, the valid form each service was built from: what stays in force when its
    next labels turn out to be of no use. ``conditions`` and ``notices`` are by service name, and so are ``versions``:
    the Swarm version index that was judged.

    ``own_routes`` are routes that services bring in templates; ``templates`` holds, by Swarm service id, the texts of
    templates that are in force: what stays so when the files turn out to be of no use.

    ``claims`` are all that led to the routing table, ``lost`` those that an older service goes before, and
    ``crowded_out`` those that there is no room for; all by service name.
    """

    backends_by_name: Mapping[str, Backend] = field(default_factory=Table)
    tcp_frontends: tuple[TcpFrontend, ...] = ()
    passthrough: PassthroughTable = field(default_factory=PassthroughTable)
    routing: RoutingTable = field(default_factory=RoutingTable)
    redirects: Mapping[str, str] = field(default_factory=dict)
    certificates: CertificateList = field(default_factory=CertificateList)
    forms: Mapping[str, LastGood] = field(default_factory=dict)
    conditions: Mapping[str, tuple[Condition, ...]] = field(default_factory=dict)
    notices: Mapping[str, tuple[Notice, ...]] = field(default_factory=dict)
    own_routes: tuple[OwnRoutes, ...] = ()
    templates: Mapping[str, TemplateTexts] = field(default_factory=dict)
    versions: Mapping[str, int] = field(default_factory=dict)
    claims: Mapping[str, tuple[Claim, ...]] = field(default_factory=Table)
    lost: Mapping[str, tuple[Conflict, ...]] = field(default_factory=dict)
    crowded_out: Mapping[str, tuple[Claim, ...]] = field(default_factory=dict)

    @property
    def backends(self) -> tuple[Backend, ...]:
        """The backends in the order of their names."""
        return tuple(self.backends_by_name.values())
