"""Conditions: what is true of a service, in the manner of the Gateway API.

Each fact has one constructor here, so no other place spells a reason or a message. Start from `pending`,
replace per type; the last one of a type wins.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import cache
from typing import Literal


class ConditionType(StrEnum):
    """The questions asked of every service."""

    __hash__ = str.__hash__  # which is as good, and fast

    ACCEPTED = "Accepted"
    """Its labels are valid, and nothing older claims the same."""
    RESOLVED_REFS = "ResolvedRefs"
    """What its labels refer to exists: network, secret, running tasks."""
    PROGRAMMED = "Programmed"
    """HAProxy runs it."""


_TYPES = tuple(ConditionType)


class Reason(StrEnum):
    """The one-word answers; each is documented here and in ``docs/conditions.md``."""

    __hash__ = str.__hash__

    ACCEPTED = "Accepted"
    """All labels are valid."""
    PENDING = "Pending"
    """Not decided yet."""
    INVALID_LABEL = "InvalidLabel"
    """A label has a value that is not allowed, or a needed label is missing."""
    UNKNOWN_LABEL = "UnknownLabel"
    """A label of our prefix is not in the table: probably a slip of the pen."""
    ROUTE_CONFLICT = "RouteConflict"
    """An older service claims exactly the same route."""
    TOO_MANY_CONDITIONS = "TooManyConditions"
    """A route has conditions (headers, regular expressions and the like), and there are too many such routes."""
    PORT_CONFLICT = "PortConflict"
    """An older service, the proxy itself, or another program on its machine claims the same TCP port."""
    NAME_CONFLICT = "NameConflict"
    """An older service uses the same ``aclName``."""
    CERTIFICATE_INVALID = "CertificateInvalid"
    """The certificate in ``serviceCert`` cannot be used, has expired, or is for other names than the service's."""
    CERTIFICATE_CONFLICT = "CertificateConflict"
    """Another certificate, which goes before the one in ``serviceCert``, is for the same names."""
    RESOLVED_REFS = "ResolvedRefs"
    """Everything referred to was found."""
    NETWORK_NOT_SHARED = "NetworkNotShared"
    """The service has no address on a network that this proxy is attached to."""
    SECRET_NOT_FOUND = "SecretNotFound"  # noqa: S105 - the name of a reason
    """A secret named by a label is not mounted in the proxy, or holds nothing usable."""
    CLIENT_CA_NOT_SET = "ClientCaNotSet"
    """Client certificates are asked for, but the proxy has no authorities (``CA_FILE``) to verify them with."""
    TEMPLATE_NOT_USABLE = "TemplateNotUsable"
    """A file that a label names as a template is not there, or makes lines that are not allowed."""
    HOST_NOT_RESOLVED = "HostNotResolved"
    """The name given as ``outboundHostname`` has no address now."""
    OWN_API = "OwnApi"
    """``outboundHostname`` and port are those of an API of Swarmgate itself, which no label may open to clients."""
    NO_RUNNING_TASKS = "NoRunningTasks"
    """The service has no running task: its routes answer 503 until it has."""
    PROGRAMMED = "Programmed"
    """HAProxy runs the service as its labels say."""
    LAST_GOOD_KEPT = "LastGoodKept"
    """The labels are invalid; HAProxy goes on running the last valid ones."""
    FAILED_CLOSED = "FailedClosed"
    """A label that restricts access cannot be honoured: the routes answer 503 rather than open up."""
    SWITCHED_OFF = "SwitchedOff"
    """The service asks not to be published."""
    NOT_PROGRAMMED = "NotProgrammed"
    """There is nothing valid to run."""
    CONFIG_REJECTED = "ConfigRejected"
    """HAProxy refused the lines written for this service. The message has its own words, and says what is in force
    instead: what HAProxy took of this service before; or 503, if the refused labels restrict access more than that
    did; or nothing, if there is nothing to go back to."""
    APPLY_FAILED = "ApplyFailed"
    """HAProxy could not be updated just now; it runs what it ran before, and it is being tried again."""


@dataclass(frozen=True, slots=True)
class Condition:
    """One answer about one service.

    ``observed_version`` is the Swarm version index the answer is about; ``last_transition`` is when ``status`` last
    changed (None until the status store has seen it).
    """

    type: ConditionType
    status: Literal["True", "False", "Unknown"]
    reason: Reason
    message: str = ""
    observed_version: int = 0
    last_transition: datetime | None = None

    def seen(self, version: int, since: datetime | None) -> "Condition":
        """Return it as an answer about a version of the service, with this last transition."""
        return Condition(self.type, self.status, self.reason, self.message, version, since)


@cache
def _good(reason: Reason, message: str = "") -> Condition:
    return Condition(type=_TYPE_OF[reason], status="True", reason=reason, message=message)


def _bad(reason: Reason, message: str) -> Condition:
    return Condition(type=_TYPE_OF[reason], status="False", reason=reason, message=message)


_TYPE_OF = (
    dict.fromkeys(
        (
            Reason.ACCEPTED,
            Reason.INVALID_LABEL,
            Reason.UNKNOWN_LABEL,
            Reason.ROUTE_CONFLICT,
            Reason.TOO_MANY_CONDITIONS,
            Reason.PORT_CONFLICT,
            Reason.NAME_CONFLICT,
            Reason.CERTIFICATE_INVALID,
            Reason.CERTIFICATE_CONFLICT,
        ),
        ConditionType.ACCEPTED,
    )
    | dict.fromkeys(
        (
            Reason.RESOLVED_REFS,
            Reason.NETWORK_NOT_SHARED,
            Reason.SECRET_NOT_FOUND,
            Reason.CLIENT_CA_NOT_SET,
            Reason.TEMPLATE_NOT_USABLE,
            Reason.HOST_NOT_RESOLVED,
            Reason.OWN_API,
            Reason.NO_RUNNING_TASKS,
        ),
        ConditionType.RESOLVED_REFS,
    )
    | dict.fromkeys(
        (
            Reason.PROGRAMMED,
            Reason.LAST_GOOD_KEPT,
            Reason.FAILED_CLOSED,
            Reason.SWITCHED_OFF,
            Reason.NOT_PROGRAMMED,
            Reason.CONFIG_REJECTED,
            Reason.APPLY_FAILED,
        ),
        ConditionType.PROGRAMMED,
    )
)


def type_of(reason: Reason) -> ConditionType | None:
    """Return the type of condition that a reason belongs to; None if it may be any."""
    return _TYPE_OF.get(reason)


@cache
def pending() -> tuple[Condition, ...]:
    """Return one undecided condition of every type."""
    return tuple(Condition(type=kind, status="Unknown", reason=Reason.PENDING) for kind in ConditionType)


def merged(conditions: Iterable[Condition]) -> tuple[Condition, ...]:
    """Return one condition per type, the last one given of each, in the order of the types."""
    last = {condition.type: condition for condition in conditions}
    return tuple(last[kind] for kind in _TYPES if kind in last)


def accepted() -> Condition:
    """All labels are valid."""
    return _good(Reason.ACCEPTED)


def invalid_labels(problems: Iterable[str], *, unknown_only: bool) -> Condition:
    """One or more labels are wrong; each problem names the label, its value and what is allowed."""
    reason = Reason.UNKNOWN_LABEL if unknown_only else Reason.INVALID_LABEL
    return _bad(reason, "; ".join(problems))


def invalid_name(name: str) -> Condition:
    """The service's name cannot be one in HAProxy; it comes from a source that does not check names as Swarm does."""
    return _bad(Reason.INVALID_LABEL, f"the service name {name!r} has characters other than letters, digits, '_.-'")


def route_conflict(*, route: str, winner: str) -> Condition:
    """The older service ``winner`` has the same route."""
    return _bad(Reason.ROUTE_CONFLICT, f"{route} is already claimed by service {winner}, which is older and keeps it")


def passed_through(*, name: str, port: int, winner: str) -> Condition:
    """The older service ``winner`` has the TLS connections for ``name`` passed through to it."""
    return _bad(
        Reason.ROUTE_CONFLICT,
        f"HTTPS requests for {name} on port {port} are passed through to service {winner} (com.df.reqMode=sni), which "
        f"is older; with com.df.srcPort set to another port this service does not claim them",
    )


def route_repeated(*, route: str, index: int) -> Condition:
    """Another destination of the same service, with the lower ``index``, has the same route."""
    return _bad(Reason.ROUTE_CONFLICT, f"{route} is already claimed by destination {index} of the same service")


def too_many_conditions(*, route: str, most: int) -> Condition:
    """There are as many older routes with conditions as HAProxy can test."""
    return _bad(
        Reason.TOO_MANY_CONDITIONS,
        f"{route}: {most:,} older routes are told apart by more than domain and path, and no more can be; "
        "a path that is compared as path_beg or path needs no test",
    )


def port_conflict(*, port: int, winner: str) -> Condition:
    """The TCP port is taken by ``winner``."""
    return _bad(Reason.PORT_CONFLICT, f"port {port} is already used by {winner}; give com.df.srcPort another port")


def port_unusable(*, port: int, why: str) -> Condition:
    """The proxy cannot listen on the TCP port; ``why`` is what the machine says."""
    return _bad(
        Reason.PORT_CONFLICT, f"the proxy cannot listen on port {port} ({why}); give com.df.srcPort another port"
    )


def group_conflict(*, group: str, leader: str) -> Condition:
    """The members of a group do not agree on who may connect; the oldest one, ``leader``, has the say."""
    return _bad(
        Reason.PORT_CONFLICT,
        f"the group {group} shares a port, so com.df.allowedSrc and com.df.deniedSrc must be those of service {leader}",
    )


def name_conflict(*, name: str, winner: str) -> Condition:
    """The older service ``winner`` uses the same ``aclName``."""
    return _bad(
        Reason.NAME_CONFLICT, f"the name {name} is already used by service {winner}; set another com.df.aclName"
    )


def resolved_refs() -> Condition:
    """Everything referred to was found."""
    return _good(Reason.RESOLVED_REFS)


def network_not_shared(service: str) -> Condition:
    """The proxy and the service share no network."""
    return _bad(
        Reason.NETWORK_NOT_SHARED,
        f"service {service} has no address on a network of this proxy; attach both to one overlay network",
    )


def network_not_joined(wanted: str, *, joined: Iterable[str]) -> Condition:
    """The service is not attached to the network that it is to be reached on."""
    there = ", ".join(joined) or "none whose name is known yet"
    return _bad(
        Reason.NETWORK_NOT_SHARED, f"com.df.network={wanted} is no network of the service, which is on: {there}"
    )


def network_without_proxy(wanted: str, *, shared: Iterable[str]) -> Condition:
    """The service is attached to the network that it is to be reached on, the proxy is not."""
    there = ", ".join(shared) or "none; attach both to one overlay network"
    return _bad(
        Reason.NETWORK_NOT_SHARED,
        f"com.df.network={wanted} is no network of this proxy; those that it shares with the service: {there}",
    )


def secret_not_found(*, secret: str, label: str) -> Condition:
    """The secret that ``label`` names is not mounted in the proxy or has no usable content."""
    return _bad(
        Reason.SECRET_NOT_FOUND,
        f"{label} needs the secret {secret}, which is not mounted in the proxy or names no user with a password; "
        f"run: docker service update --secret-add {secret} <proxy service>",
    )


def users_without_password(names: Iterable[str]) -> Condition:
    """Users who are let in have no password anywhere, so they cannot be; the others can."""
    who = ", ".join(names)
    return _bad(
        Reason.SECRET_NOT_FOUND,
        f"com.df.users names {who} without a password, and neither com.df.usersSecret nor USERS has one; "
        "they are left out",
    )


def certificate_invalid(problem: str) -> Condition:
    """The certificate in ``serviceCert`` is of no use; ``problem`` says why."""
    return _bad(Reason.CERTIFICATE_INVALID, f"the certificate in com.df.serviceCert {problem}")


def certificate_conflict(*, names: Iterable[str], winner: str) -> Condition:
    """The certificate ``winner`` goes before the one in ``serviceCert`` and is for the same names."""
    return _bad(
        Reason.CERTIFICATE_CONFLICT,
        f"clients that ask for {', '.join(names)} are shown the certificate {winner}, "
        "which goes before com.df.serviceCert",
    )


def authority_not_found(name: str) -> Condition:
    """The authority that ``sslVerifyCa`` names is neither a file nor a secret of the proxy, or has no certificate."""
    return _bad(
        Reason.SECRET_NOT_FOUND,
        f"com.df.sslVerifyCa needs the certificates of {name}, which is neither a file in the folder ca of CERTS_DIR "
        "nor a mounted secret whose name begins with ca- or ca_",
    )


def client_ca_not_set() -> Condition:
    """``verifyClientSsl`` is asked for, and nothing says whose client certificates are good."""
    return _bad(
        Reason.CLIENT_CA_NOT_SET, "com.df.verifyClientSsl needs CA_FILE of the proxy; until then all requests get 403"
    )


def template_not_usable(*, label: str, file: str, problem: str, outcome: str) -> Condition:
    """The template that ``label`` names is of no use; ``problem`` begins with a verb, ``outcome`` says what follows."""
    return _bad(
        Reason.TEMPLATE_NOT_USABLE, f"the file {file} in TEMPLATES_DIR, which {label} names, {problem}; {outcome}"
    )


def host_not_resolved(host: str) -> Condition:
    """The name of a host outside the Swarm has no address."""
    return _bad(Reason.HOST_NOT_RESOLVED, f"the host name {host} cannot be resolved now; it is tried again")


def own_api(host: str, port: int) -> Condition:
    """The host outside the Swarm is one of our own."""
    return _bad(
        Reason.OWN_API,
        f"at {host}, port {port}, is an API of Swarmgate itself; to open it to clients, label the service that has it",
    )


def no_running_tasks(service: str) -> Condition:
    """The service has no running task."""
    return _bad(Reason.NO_RUNNING_TASKS, f"service {service} has no running task; its routes answer 503")


def programmed() -> Condition:
    """HAProxy runs the service."""
    return _good(Reason.PROGRAMMED)


def last_good_kept() -> Condition:
    """The labels are invalid, the last valid form stays in force."""
    return _bad(Reason.LAST_GOOD_KEPT, "the last valid labels stay in force until these are repaired")


def failed_closed() -> Condition:
    """Access cannot be restricted as asked, so there is none."""
    return _bad(Reason.FAILED_CLOSED, "a label that restricts access is not usable, so the routes answer 503")


def switched_off() -> Condition:
    """The service has no replicas by its own label."""
    return _bad(Reason.SWITCHED_OFF, "com.df.replicas is 0, so nothing is routed to this service")


def not_programmed() -> Condition:
    """Nothing valid to run."""
    return _bad(Reason.NOT_PROGRAMMED, "nothing is routed for this service until its labels are repaired")


def config_rejected(words: str) -> Condition:
    """HAProxy refused the service's lines, with its own words, and there is nothing to go back to."""
    return _rejected("nothing is routed for it", words)


def config_rejected_last_kept(words: str) -> Condition:
    """HAProxy refused the service's lines; what it took before stays in force."""
    return _rejected("the last good labels stay in force", words)


def config_rejected_closed(words: str) -> Condition:
    """HAProxy refused the service's lines, and what it took before would let in more than these do."""
    return _rejected("its routes answer 503, since the last good labels would let in whom these keep out", words)


def _rejected(outcome: str, words: str) -> Condition:
    return _bad(Reason.CONFIG_REJECTED, f"HAProxy refused the configuration of this service, so {outcome}: {words}")


def apply_failed(words: str) -> Condition:
    """The round failed as a whole; HAProxy runs what it ran before."""
    return _bad(Reason.APPLY_FAILED, words)
