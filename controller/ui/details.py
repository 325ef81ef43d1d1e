"""One service in full: its labels with what they mean, and what HAProxy says of its servers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from controller.haproxy.answers import ServerStatistics
from controller.redaction import HIDDEN, redacted_labels
from models.labels._table import Row
from models.proxy import Backend
from models.reading import name_and_index
from models.service import SPELLINGS
from models.snapshot import Snapshot

MOST_BACKENDS = 40
"""Of one service, that HAProxy is asked about."""


@dataclass(frozen=True, slots=True)
class LabelRow:
    """A label as it was given; ``row`` is what the table says of it, None of a label that is not in it.

    ``index`` is that of the destination it is for, 0 for all; a ``hidden`` value may be secret.
    """

    label: str
    value: str
    hidden: bool
    index: int
    row: Row | None


@dataclass(frozen=True, slots=True)
class ServerRow:
    """A server with its address, and what HAProxy says of it; None if it says nothing."""

    name: str
    address: str
    live: ServerStatistics | None


@dataclass(frozen=True, slots=True)
class BackendRow:
    """A backend, and what HAProxy says of it as a whole."""

    name: str
    closed: bool
    live: ServerStatistics | None
    servers: tuple[ServerRow, ...]


def labels_of(world: Snapshot, name: str) -> tuple[LabelRow, ...]:
    """Return the labels of a service; none if the world has no such service any more."""
    labels = next((service.labels for service in world.services if service.name == name), {})
    return tuple(_label_row(label, value) for label, value in redacted_labels(labels).items())


def _label_row(label: str, value: str) -> LabelRow:
    name, index = name_and_index(label)
    return LabelRow(label, value, value == HIDDEN, index, SPELLINGS.get(name))


def backend_rows(backends: Sequence[Backend], told: Sequence[ServerStatistics]) -> tuple[BackendRow, ...]:
    """Return backends with their servers, and with what HAProxy told of each."""
    live = {(each.backend, each.server): each for each in told}
    return tuple(
        BackendRow(backend.name, backend.closed, live.get((backend.name, "")), _server_rows(backend, live))
        for backend in backends
    )


def _server_rows(backend: Backend, live: Mapping[tuple[str, str], ServerStatistics]) -> tuple[ServerRow, ...]:
    return tuple(
        ServerRow(server.name, f"{server.address}:{server.port}", live.get((backend.name, server.name)))
        for server in backend.servers
    )
