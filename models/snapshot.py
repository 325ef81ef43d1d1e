"""`Snapshot`: the part of a Swarm that matters to a proxy, exactly as Swarm says it.

Every source (Docker API, listener, stack file) produces this one type, and it is also what a listener
sends to its proxies. Nothing in it has been judged yet: labels are raw text. It holds credentials (labels
may contain passwords), so it must not be logged or shown.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Annotated, Literal

from pydantic import Field

from models.base import Frozen
from models.interface import Interface

EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True, slots=True)
class Task:
    """One task that Swarm means to keep running (desired state ``running``).

    ``slot`` is the replica number of a replicated service, and 0 for a global one, whose tasks are told
    apart by ``node``. Source: Docker API ``GET /tasks``.
    """

    id: str
    slot: int = 0
    node: str = ""
    state: str = "running"
    addresses: tuple[Interface, ...] = ()


def without_stack(name: str, stack: str) -> str:
    """Return a name without that of a stack, which Docker puts in front with a ``_``; as it is if it has none."""
    return (name.removeprefix(f"{stack}_") or name) if stack else name


class SwarmService(Frozen):
    """One Swarm service that opted in with the notify label.

    ``version`` is the Swarm version index of the object (``Version.Index``), ``previous_labels`` are those of
    Swarm's ``PreviousSpec`` (None if it has none). ``host`` is the name that requests go to where the source knows
    no Swarm addresses (a stack file). ``labels`` are the service's own labels (``Spec.Labels``), never container
    labels. ``stack`` is the name of its stack, empty if it has none. ``networks`` has the names of the networks that
    its addresses are in, by network (``10.0.1.0/24``), as far as tasks tell them.
    Source: Docker API ``GET /services`` and ``GET /tasks``.
    """

    id: str
    name: str
    version: int = 0
    created_at: datetime = EPOCH
    stack: str = ""
    labels: Mapping[str, str] = Field(default_factory=dict)
    previous_labels: Mapping[str, str] | None = None
    mode: Literal["replicated", "global"] = "replicated"
    replicas: Annotated[int, Field(ge=0)] | None = None
    endpoint_mode: Literal["vip", "dnsrr"] = "vip"
    virtual_ips: tuple[Interface, ...] = ()
    networks: Mapping[str, str] = Field(default_factory=dict)
    tasks: tuple[Task, ...] = ()
    updating: bool = False
    host: str | None = None

    @property
    def short_name(self) -> str:
        """The name without that of its stack, which Docker puts in front with a ``_``."""
        return without_stack(self.name, self.stack)

    def networks_called(self, name: str) -> frozenset[str]:
        """Return those of its networks that have a name, or have it after that of the service's own stack."""
        exact = frozenset(network for network, known in self.networks.items() if known == name)
        own = (network for network, known in self.networks.items() if without_stack(known, self.stack) == name)
        return exact or frozenset(own)

    @cached_property
    def converging(self) -> bool:
        """True while it is being updated or lacks tasks."""
        running = sum(task.state == "running" for task in self.tasks)
        expected = self.replicas if self.replicas is not None else len(self.tasks)
        return self.updating or running != expected or len(self.tasks) != expected

    @cached_property
    def digest(self) -> bytes:
        """A digest of the content; services that did not change between two readings are not encoded again."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).digest()


class StoredCertificate(Frozen):
    """A certificate with its key that was put through the API and is kept in the Swarm.

    ``content`` is its PEM text, ``sealed`` so that only proxies can read it (`controller.sealing`) unless they had
    nothing to seal it with. ``version`` is the Swarm version index of the object that keeps it.
    """

    name: str
    content: str = Field(repr=False)
    sealed: bool = True
    put_at: datetime = EPOCH
    version: int = 0

    @cached_property
    def digest(self) -> bytes:
        """A digest of everything."""
        return hashlib.sha256(self.model_dump_json().encode()).digest()


class Snapshot(Frozen):
    """The whole world of one source at one moment, services and certificates sorted by name."""

    services: tuple[SwarmService, ...] = ()
    certificates: tuple[StoredCertificate, ...] = ()

    @cached_property
    def digest(self) -> str:
        """A hexadecimal digest of the content: equal worlds have equal digests, on every machine."""
        parts = (*(service.digest for service in self.services), *(each.digest for each in self.certificates))
        return hashlib.sha256(b"".join(parts)).hexdigest()[:32]

    @cached_property
    def names(self) -> frozenset[str]:
        """The names of all services."""
        return frozenset([service.name for service in self.services])

    @cached_property
    def with_tasks(self) -> frozenset[str]:
        """The names of the services that have tasks, running or about to."""
        return frozenset([service.name for service in self.services if service.tasks])

    @cached_property
    def unsettled(self) -> frozenset[str]:
        """The IDs of the services that are being updated or lack tasks: their tasks are worth reading often."""
        return frozenset([service.id for service in self.services if service.converging])

    @cached_property
    def updating(self) -> bool:
        """True while some service is being updated."""
        return any(service.updating for service in self.services)
