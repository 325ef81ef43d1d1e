"""`Rendered`: the files HAProxy is started from, and the same as tables, to compare with what it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal

from models.observed import ObservedServer
from render import records
from render.noted import Ownership
from render.ownership import Block, ownership_of

CONFIG_FILE = "haproxy.cfg"
CRT_LIST_FILE = "crt-list.txt"


@dataclass(frozen=True, slots=True)
class RenderedServer:
    """A server line in its parts; ``options`` is what follows the address."""

    address: str
    port: int
    options: str = ""


@dataclass(frozen=True)
class RenderedBackend:
    """A backend section in its parts; ``record`` is what the record map keeps for it, ``services`` are its owners."""

    mode: Literal["http", "tcp"]
    profile: str
    record: str
    servers: Mapping[str, RenderedServer]
    services: tuple[str, ...] = ()

    @cached_property
    def observed(self) -> Mapping[str, ObservedServer]:
        """What HAProxy says of the servers once it runs them."""
        return {name: ObservedServer(server.address, server.port) for name, server in self.servers.items()}


@dataclass(frozen=True, slots=True)
class RenderedCertificate:
    """A certificate file, and the names it is in the list for (none: all that it has)."""

    pem: str = field(repr=False)
    fingerprint: str
    filters: tuple[str, ...] = ()

    def line(self, file: str) -> str:
        """Return its line in the list (Configuration manual 5.1, ``crt-list``)."""
        return " ".join((file, *self.filters))


@dataclass(frozen=True)
class Rendered:
    """Every file of one configuration.

    ``config`` is the text of ``haproxy.cfg``; ``maps`` holds each map file's entries, in the order of the file, by
    its name relative to the configuration folder (``maps/prefixes.map``), which is also the name HAProxy knows it
    by; ``blocks`` are the pieces that ``config`` was put together from; ``certificates`` are
    by file name in the order of the list, the first one being the default; ``authorities`` are the contents of more
    files, by name.
    """

    config: str
    maps: Mapping[str, Mapping[str, str]]
    blocks: tuple[Block, ...] = field(default=(), repr=False)
    backends: Mapping[str, RenderedBackend] = field(default_factory=dict)
    certificates: Mapping[str, RenderedCertificate] = field(default_factory=dict)
    authorities: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def owners(self) -> Mapping[int, tuple[str, ...]]:
        """Which services a line of ``config`` was written for, by its number from 1; lines for all have no entry."""
        return self._ownership.owners

    @property
    def variables(self) -> Mapping[int, str]:
        """Which variable of the operator has a line, likewise."""
        return self._ownership.variables

    @cached_property
    def _ownership(self) -> Ownership:
        owners = {name: backend.services for name, backend in self.backends.items()}
        shared: dict[str, set[str]] = {}
        for slot, backend in self.maps.get(records.SPLITS, {}).items():
            shared.setdefault(slot.rpartition("#")[0], set()).update(owners[backend])
        return ownership_of(self.blocks, owners | {name: tuple(sorted(each)) for name, each in shared.items()})

    def files(self) -> dict[str, bytes]:
        """Return the content of every file by its path relative to the configuration folder."""
        texts = {CONFIG_FILE: self.config} | {name: map_text(entries) for name, entries in self.maps.items()}
        texts |= {name: certificate.pem for name, certificate in self.certificates.items()} | dict(self.authorities)
        if self.certificates:
            lines = (certificate.line(name) for name, certificate in self.certificates.items())
            texts[CRT_LIST_FILE] = "".join(f"{line}\n" for line in lines)
        return {name: text.encode() for name, text in texts.items()}


def map_text(entries: Mapping[str, str]) -> str:
    """Return the text of a map file: one ``key value`` a line (Configuration manual 7.3.1, ``map``)."""
    return "".join(f"{key} {value}\n" for key, value in entries.items())
