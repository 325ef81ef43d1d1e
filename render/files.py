"""`Rendered`: the files HAProxy is started from, and the same as tables, to compare with what it runs."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate, pairwise, starmap
from typing import Literal

from models.observed import ObservedServer
from render import records
from render.noted import Ownership
from render.ownership import Block, ownership_of
from render.sections import Section

CONFIG_FILE = "haproxy.cfg"
CRT_LIST_FILE = "crt-list.txt"


@dataclass(frozen=True, slots=True)
class RenderedServer:
    """A server line in its parts; ``options`` is what follows the address."""

    address: str
    port: int
    options: str = ""


@dataclass(frozen=True, slots=True)
class RenderedBackend:
    """A backend section as text and in its parts.

    ``record`` is what the record map keeps for it, ``owner`` is the service that its lines are of, ``services`` are all
    that have servers in it, ``sections`` the names of those that it refers to.
    """

    mode: Literal["http", "tcp"]
    profile: str
    record: str
    servers: Mapping[str, RenderedServer]
    owner: str = ""
    services: tuple[str, ...] = ()
    sections: tuple[str, ...] = ()
    text: str = ""

    @property
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
    by, and ``map_files`` their contents, as far as they have been worked out; ``config`` is the texts of ``sections``
    and ``backends``; ``running`` is what HAProxy says of the servers of all backends once it runs them;
    ``certificates`` are by file name in the order of the list, the first one being the default; ``authorities`` are the
    contents of more files, by name.
    """

    config: str
    maps: Mapping[str, Mapping[str, str]]
    map_files: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    sections: tuple[Section, ...] = field(default=(), repr=False)
    backends: Mapping[str, RenderedBackend] = field(default_factory=dict)
    running: Mapping[str, Mapping[str, ObservedServer]] = field(default_factory=dict)
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
            shared.setdefault(slot.rpartition("#")[0], set()).update(owners.get(backend, ()))
        return ownership_of(
            self.blocks, self.line_numbers, owners | {name: tuple(sorted(each)) for name, each in shared.items()}
        )

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The pieces of ``config``, each with its owners."""
        users: dict[str, set[str]] = {}
        for backend in self.backends.values():
            for name in backend.sections:
                users.setdefault(name, set()).add(backend.owner)
        return (
            *(
                Block(section.text, section.owners or tuple(sorted(users.get(section.name, ()))))
                for section in self.sections
            ),
            *(Block(backend.text, (backend.owner,)) for backend in self.backends.values()),
        )

    @cached_property
    def line_numbers(self) -> tuple[range, ...]:
        """The numbers of the lines of each piece."""
        counts = (block.text.count("\n") + 1 for block in self.blocks)  # they are joined by one more line break
        return tuple(starmap(range, pairwise(accumulate(counts, initial=1))))

    def files(self) -> dict[str, bytes]:
        """Return the content of every file by its path relative to the configuration folder."""
        texts = {CONFIG_FILE: self.config}
        texts |= {name: certificate.pem for name, certificate in self.certificates.items()} | dict(self.authorities)
        if self.certificates:
            lines = (certificate.line(name) for name, certificate in self.certificates.items())
            texts[CRT_LIST_FILE] = "".join(f"{line}\n" for line in lines)
        maps = {name: self.map_files.get(name) or map_text(entries).encode() for name, entries in self.maps.items()}
        return {name: text.encode() for name, text in texts.items()} | maps


def map_text(entries: Mapping[str, str]) -> str:
    """Return the text of a map file."""
    return "".join([map_line(key, value) for key, value in entries.items()])


def map_line(key: str, value: str) -> str:
    """Return one entry's line (Configuration manual 7.3.1, ``map``)."""
    return f"{key} {value}\n"
