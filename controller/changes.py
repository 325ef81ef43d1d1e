"""The vocabulary of a plan: each way in which a running HAProxy is changed without a reload.

A change is a fact to bring about, not a command; `controller.haproxy.commands` knows how HAProxy is told.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal


@dataclass(frozen=True, slots=True)
class BackendAdded:
    """A backend exists, made from a named defaults section, and is not yet published (HAProxy 3.4)."""

    backend: str
    profile: str
    mode: Literal["http", "tcp"]


@dataclass(frozen=True, slots=True)
class BackendPublished:
    """A backend may be chosen by ``use_backend``."""

    backend: str


@dataclass(frozen=True, slots=True)
class ServerAdded:
    """A backend has one more server; ``options`` is what follows the address on a ``server`` line."""

    backend: str
    server: str
    address: str
    port: int
    options: str = ""


@dataclass(frozen=True, slots=True)
class ServerMoved:
    """A server keeps its name and answers from another address: the task in its slot was replaced.

    One that took no connections is put back; ``options`` are then those of its line, for it may be half made.
    """

    backend: str
    server: str
    address: str
    port: int
    options: str = ""


@dataclass(frozen=True, slots=True)
class ServerRetired:
    """A server takes no new connection, and is gone as soon as its last one has ended."""

    backend: str
    server: str


@dataclass(frozen=True, slots=True)
class BackendRetired:
    """A backend is not published any more, and is gone as soon as its last stream has ended."""

    backend: str


@dataclass(frozen=True, slots=True)
class MapChanged:
    """Entries of one map file: ``entries`` are added or given their value, ``removed`` keys are deleted."""

    file: str
    entries: Mapping[str, str]
    removed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class MapReplaced:
    """One map file has exactly these entries, in this order (for maps that are searched from top to bottom)."""

    file: str
    entries: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CertificateAdded:
    """A certificate with its key is in the list, for these names only or (none) for all that it has."""

    file: str
    pem: str = field(repr=False)
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class CertificateRotated:
    """A certificate in the list is another one from the next connection on."""

    file: str
    pem: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class CertificateRemoved:
    """A certificate is not in the list any more, nor in HAProxy's memory."""

    file: str


Change = (
    BackendAdded
    | BackendPublished
    | ServerAdded
    | ServerMoved
    | ServerRetired
    | BackendRetired
    | MapChanged
    | MapReplaced
    | CertificateAdded
    | CertificateRotated
    | CertificateRemoved
)


class ReloadReason(StrEnum):
    """Why a reload is unavoidable; the value is the ``reason`` label of the reload metric."""

    SETTINGS = "settings"
    """The proxy's own settings, or rules that serve all services, differ from what the worker has loaded."""
    FRONTEND = "frontend"
    """A TCP port is opened, closed or given to another service."""
    PROFILE = "profile"
    """A combination of backend options that the worker has not loaded yet."""
    BACKEND = "backend"
    """A backend is added, or gets other options, and this HAProxy cannot do that at run time."""
    CERTIFICATE = "certificate"
    """A certificate is too large for a runtime command, or is shown for other names than before."""
    RUNTIME_REFUSED = "runtime-refused"
    """A runtime command was refused half-way, or cannot be said: the files are right, so load them."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done to HAProxy, decided before anything is sent.

    Exactly one of these holds: ``start`` (no HAProxy runs), ``reload_reasons`` is not empty (one reload does it all),
    ``changes`` and ``retirements`` are runtime commands, or all are empty and nothing is to be done.
    ``changes`` are ordered make before break; ``retirements`` may have to wait for connections to end. With a reload,
    ``checked`` is whether HAProxy has found all that is new good already, in parts.
    """

    start: bool = False
    reload_reasons: tuple[ReloadReason, ...] = ()
    checked: bool = False
    changes: tuple[Change, ...] = ()
    retirements: tuple[Change, ...] = ()

    @property
    def empty(self) -> bool:
        """True when HAProxy already runs what is desired."""
        return self == EMPTY_PLAN

    @property
    def outcome(self) -> "Outcome":
        """How HAProxy is going to be updated by this plan."""
        if self.start:
            return Outcome.START
        if self.reload_reasons:
            return Outcome.RELOAD
        return Outcome.NOOP if self.empty else Outcome.RUNTIME


class Outcome(StrEnum):
    """How one reconcile ended; the value is the ``outcome`` label of the reconcile metric."""

    NOOP = "noop"
    RUNTIME = "runtime"
    RELOAD = "reload"
    START = "start"
    FAILED = "failed"


EMPTY_PLAN = Plan()


@dataclass(frozen=True, slots=True)
class Applied:
    """What was really done: a plan of runtime changes may have ended in a reload.

    ``pending`` are the retirements that connections still hold up, ``commands`` how many were sent that change
    something; ``refusal`` is why they did not do.
    """

    outcome: Outcome
    reload_reasons: tuple[ReloadReason, ...] = ()
    pending: tuple[Change, ...] = ()
    commands: int = field(default=0, compare=False)
    refusal: str = field(default="", compare=False)
