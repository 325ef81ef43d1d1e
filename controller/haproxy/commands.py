"""How HAProxy is told: each `Change` as commands of its runtime socket, and what counts as success.

Commands of one change may be sent without waiting for each answer, except where ``barrier`` says that all before must
have succeeded. The formats are those of the Management guide, section 9.3.

Taking away never breaks a connection: a server goes to maintenance, which stops new connections only, and is deleted
once its last connection has ended. There is no time limit: a websocket may hold up a retirement for days, which costs
HAProxy a few kilobytes and is reported as pending.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from controller.changes import (
    BackendAdded,
    BackendPublished,
    BackendRetired,
    Change,
    MapChanged,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import PermanentError
from models.observed import Observed

LINE_LIMIT = 12_000
"""Bytes of one command or payload: with some reserve what fits into HAProxy's ``tune.bufsize`` of 16,384."""
PAYLOAD_FROM = 100
"""From this many new entries on, a map gets them in payloads, not each by its own command."""

_ABSENT = ("No such server.", "No such backend.")


class Verdict(Enum):
    """What an answer means."""

    DONE = auto()
    PENDING = auto()
    """Connections hold it up: ask again later."""
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Command:
    """A line for HAProxy's runtime socket and, for some commands, the payload that follows it.

    ``done`` and ``pending`` are the beginnings of the last line of answers that mean so; an empty answer means done
    if ``done`` has "". Everything else is a refusal.
    """

    text: str
    payload: str | None = None
    done: tuple[str, ...] = ("",)
    pending: tuple[str, ...] = ()
    barrier: bool = False

    def verdict(self, answer: str) -> Verdict:
        """Tell what HAProxy's answer means; of several lines the last one decides, those before are remarks."""
        last_line = answer.rpartition("\n")[2]
        if _says(last_line, self.done):
            return Verdict.DONE
        return Verdict.PENDING if _says(last_line, self.pending) else Verdict.REFUSED


def _says(line: str, beginnings: tuple[str, ...]) -> bool:
    return any(line.startswith(beginning) if beginning else not line for beginning in beginnings)


def commands(change: Change, observed: Observed) -> list[Command]:
    """Return the commands that bring ``change`` about in an HAProxy that runs ``observed``.

    What HAProxy already has costs no command where that can be seen (map entries). A server or backend that exists
    although it is to be added is a refusal: its options cannot be seen, so they may be others.

    Raises:
        PermanentError: a word cannot be written on HAProxy's command line.
    """
    return list(_WRITERS[type(change)](change, observed))


def batches(sequence: Iterable[Command]) -> list[list[Command]]:
    """Cut commands before each barrier: a batch is sent only if all of the one before succeeded."""
    result: list[list[Command]] = []
    for command in sequence:
        if command.barrier or not result:
            result.append([])
        result[-1].append(command)
    return result


def _backend_added(change: BackendAdded, _observed: Observed) -> Iterator[Command]:
    backend, profile = _word(change.backend), _word(change.profile)
    yield Command(f"add backend {backend} from {profile} mode {change.mode}", done=("New backend registered.",))


def _backend_published(change: BackendPublished, _observed: Observed) -> Iterator[Command]:
    yield Command(f"publish backend {_word(change.backend)}", done=("Backend published.",))


def _server_added(change: ServerAdded, _observed: Observed) -> Iterator[Command]:
    server = _server(change.backend, change.server)
    options = [_word(option) for option in change.options.split()]
    line = ["add server", server, f"{_host(change.address)}:{change.port:d}", *options]
    yield _bounded(Command(" ".join(line), done=("New server registered.",)))
    if "check" in options:
        yield Command(f"enable health {server}")
    yield Command(f"enable server {server}")


def _server_moved(change: ServerMoved, _observed: Observed) -> Iterator[Command]:
    server = _server(change.backend, change.server)
    yield Command(
        f"set server {server} addr {_word(change.address)} port {change.port:d}",
        done=("IP changed ", "port changed ", "no need to change the addr", "nothing changed"),
    )
    yield Command(f"set server {server} state ready", barrier=True)
    yield Command(f"set server {server} health up")


def _server_retired(change: ServerRetired, _observed: Observed) -> Iterator[Command]:
    yield from _removal(_server(change.backend, change.server))


def _removal(server: str) -> Iterator[Command]:
    yield Command(f"set server {server} state maint", done=("", *_ABSENT))
    yield Command(
        f"del server {server}",
        done=("Server deleted.", *_ABSENT),
        pending=("Server still has connections attached to it",),
    )


def _backend_retired(change: BackendRetired, observed: Observed) -> Iterator[Command]:
    backend = _word(change.backend)
    yield Command(f"unpublish backend {backend}", done=("Backend unpublished.", "No such backend."))
    for server in observed.backends.get(change.backend, {}):
        yield from _removal(_server(change.backend, server))
    yield Command(
        f"del backend {backend}",
        done=("Backend deleted.", "No such backend."),
        pending=("Backend still has attached streams", "Only a backend without server can be deleted"),
    )


def _map_changed(change: MapChanged, observed: Observed) -> Iterator[Command]:
    present = observed.maps.get(change.file, {})
    file = _word(change.file)
    entries = {_key(key): _word(value) for key, value in change.entries.items()}
    updates = {key: value for key, value in entries.items() if present.get(key, value) != value}
    additions = {key: value for key, value in entries.items() if key not in present}
    removed = [_key(key) for key in change.removed if key in present and key not in entries]
    yield from _guarded(_bounded(Command(f"set map {file} {key} {value}")) for key, value in updates.items())
    yield from _guarded(_map_additions(file, additions))
    yield from _guarded(_bounded(Command(f"del map {file} {key}", done=("", "Key not found."))) for key in removed)


def _map_additions(file: str, entries: Mapping[str, str]) -> Iterator[Command]:
    lines = [f"{key} {value}" for key, value in entries.items()]
    if len(lines) < PAYLOAD_FROM:
        return (_bounded(Command(f"add map {file} {line}")) for line in lines)
    return (_bounded(Command(f"add map {file} <<", payload=payload)) for payload in _payloads(lines))


def _payloads(lines: Sequence[str]) -> Iterator[str]:
    payload: list[str] = []
    size = 0
    for line in lines:
        length = len(line.encode()) + 1
        if payload and size + length > LINE_LIMIT:
            yield "\n".join(payload)
            payload, size = [], 0
        payload.append(line)
        size += length
    if payload:
        yield "\n".join(payload)


def _guarded(sequence: Iterable[Command]) -> Iterator[Command]:
    """Put a barrier before the first: a route is written when its backend exists, and unwritten when others are in."""
    return (replace(command, barrier=index == 0) for index, command in enumerate(sequence))


def _server(backend: str, server: str) -> str:
    return f"{_word(backend)}/{_word(server)}"


def _host(address: str) -> str:
    return f"[{_word(address)}]" if ":" in address else _word(address)


def _key(key: str) -> str:
    """Return a map key as a word; a ``#`` would make it a reference on the command line and a comment in a file."""
    if key.startswith("#"):
        raise PermanentError(f"A map key cannot begin with a number sign: {key!r}")
    return _word(key)


def _word(word: str) -> str:
    """Return ``word`` if the command line reads it as one word and as it is (Management guide 9.3)."""
    if not word or not word.isprintable() or word.startswith("<<") or any(char in " ;\\" for char in word):
        raise PermanentError(f"Cannot be said on HAProxy's command line: {word!r}")
    return word


def _bounded(command: Command) -> Command:
    longest = max(len(command.text.encode()), len((command.payload or "").encode()))
    if longest > LINE_LIMIT:
        raise PermanentError(f"Too long for HAProxy's command line, {longest} bytes: {command.text[:80]!r}…")
    return command


_WRITERS: Mapping[type, Callable[[Any, Observed], Iterator[Command]]] = MappingProxyType(
    {
        BackendAdded: _backend_added,
        BackendPublished: _backend_published,
        BackendRetired: _backend_retired,
        ServerAdded: _server_added,
        ServerMoved: _server_moved,
        ServerRetired: _server_retired,
        MapChanged: _map_changed,
    }
)
