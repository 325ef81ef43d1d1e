"""How HAProxy is told: each `Change` as commands of its runtime socket, and what counts as success.

Nothing is sent from here: a change is a conversation, a generator that yields commands and is given their answers.
The commands of one turn do not depend on each other and are sent at once. The formats are those of the Management
guide, section 9.3.

Taking away never breaks a connection: a server goes to maintenance, which stops new connections only, and is deleted
once its last connection has ended. There is no time limit: a websocket may hold up a retirement for days, which costs
HAProxy a few kilobytes and is reported as pending.
"""

import re
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from types import MappingProxyType
from typing import Any

from controller.changes import (
    BackendAdded,
    BackendPublished,
    BackendRetired,
    CertificateAdded,
    CertificateRemoved,
    CertificateRotated,
    Change,
    MapChanged,
    MapReplaced,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import RuntimeRefusedError, UnspeakableError
from controller.haproxy.answers import parse_crt_list, parse_new_version, parse_servers
from controller.redaction import HIDDEN
from render.files import CRT_LIST_FILE
from render.records import CREDENTIALS

LINE_LIMIT = 12_000
"""Bytes of one command or payload: with some reserve what fits into HAProxy's ``tune.bufsize`` of 16,384."""

_ESCAPED = str.maketrans({sign: f"\\{sign}" for sign in ";\\"})
_UNESCAPED = str.maketrans(dict.fromkeys(";\\", "_"))
_GONE = ("No such server.", "No such backend.")
_NO_ENTRY = "entry not found."


_REMARK = re.compile(r"Server \S+ is |backend '\S+' has no server|Server deleted\.$")
_ROOM = 900
"""Characters of remarks after which the answer itself may be missing: HAProxy 3.4 puts before it what it has had to
remark on servers meanwhile, and has a thousand characters for all of it."""


class Verdict(Enum):
    """What an answer means."""

    DONE = auto()
    PENDING = auto()
    """Connections hold it up: ask again later."""
    REFUSED = auto()


@dataclass(frozen=True, slots=True)
class Command:
    """A line for HAProxy's runtime socket and, for some commands, the payload that follows it.

    ``done`` and ``pending`` are the beginnings of the last line of answers that mean so, "" being the empty answer.
    Everything else is a refusal, unless the command ``reads`` only.
    """

    text: str
    payload: str | None = field(default=None, repr=False)
    done: tuple[str, ...] = ("",)
    pending: tuple[str, ...] = ()
    reads: bool = False

    @property
    def shown(self) -> str:
        """The line as it may be logged: without digests of passwords."""
        before, file, _ = self.text.partition(CREDENTIALS)
        return f"{before}{file} {HIDDEN}" if file else before

    def verdict(self, answer: str) -> Verdict:
        """Tell what HAProxy's answer means; of several lines the last one decides, those before are remarks.

        Where there was no room for that one, what can be asked again is pending.
        """
        last_line = answer.rpartition("\n")[2]
        if self.reads or _says(last_line, self.done):
            return Verdict.DONE
        is_cut = bool(self.pending) and len(answer) > _ROOM and all(map(_REMARK.match, answer.split("\n")))
        return Verdict.PENDING if is_cut or _says(last_line, self.pending) else Verdict.REFUSED


def _says(line: str, beginnings: tuple[str, ...]) -> bool:
    return any(line.startswith(beginning) if beginning else not line for beginning in beginnings)


Steps = Generator[list[Command], list[str], None]
"""A conversation with HAProxy: yields what to send next, is sent the answers, each of them done or pending."""


def steps(change: Change) -> Steps:
    """Return the conversation that brings ``change`` about.

    What HAProxy already has is no error where that can be told (map entries, addresses, what is gone already). A
    server or backend that exists although it is to be added is a refusal: it may have been made with other options.

    Raises:
        UnspeakableError: a word of the change cannot be written on HAProxy's command line.
    """
    return _STEPS[type(change)](change)


def waves(changes: Iterable[Change]) -> list[list[Change]]:
    """Cut changes into what can be said in one go: each change of a map is a wave of its own.

    What is routed by a map must exist before the map says so, and be left by one map before another one forgets it.
    """
    result: list[list[Change]] = []
    alone = True
    for change in changes:
        is_map = isinstance(change, MapChanged | MapReplaced)
        if alone or is_map:
            result.append([])
        result[-1].append(change)
        alone = is_map
    return result


def _say(*turns: list[Command]) -> Steps:
    for turn in turns:  # noqa: UP028 - `yield from` would hand the answers to the tuple's iterator
        yield turn


def _backend_added(change: BackendAdded) -> Steps:
    backend, profile = _word(change.backend), _word(change.profile)
    return _say(
        [Command(f"add backend {backend} from {profile} mode {change.mode}", done=("New backend registered.",))]
    )


def _backend_published(change: BackendPublished) -> Steps:
    return _say([Command(f"publish backend {_word(change.backend)}", done=("Backend published.",))])


def _server_added(change: ServerAdded) -> Steps:
    server = _server(change.backend, change.server)
    options = [_word(option) for option in change.options.split()]
    line = " ".join(["add server", server, f"{_host(change.address)}:{change.port:d}", *options])
    health = _health(server, options)
    added = _bounded(Command(line, done=("New server registered.",)))
    return _say([added, *health, Command(f"enable server {server}")])


def _server_moved(change: ServerMoved) -> Steps:
    """Move a server while it is in use.

    It is not put into maintenance meanwhile: where it is the only one, requests of that moment would get 503.
    HAProxy closes its idle connections to the old address by itself.
    """
    server = _server(change.backend, change.server)
    health = _health(server, change.options.split())
    moved = ("IP changed ", "port changed ", "no need to change the addr", "nothing changed")
    return _say(
        [Command(f"set server {server} addr {_word(change.address)} port {change.port:d}", done=moved)],
        [*health, Command(f"set server {server} state ready"), Command(f"set server {server} health up")],
    )


def _health(server: str, options: Sequence[str]) -> list[Command]:
    """Return what starts the checks of a server that was added at run time, if it is to be checked."""
    return [Command(f"enable health {server}")] if "check" in options else []


def _server_retired(change: ServerRetired) -> Steps:
    return _say(_removal(_server(change.backend, change.server)))


def _removal(server: str) -> list[Command]:
    held_up = ("Server still has connections attached to it",)
    return [
        Command(f"set server {server} state maint", done=("", *_GONE)),
        Command(f"del server {server}", done=("Server deleted.", *_GONE), pending=held_up),
    ]


def _backend_retired(change: BackendRetired) -> Steps:
    backend = _word(change.backend)
    held_up = ("Backend still has attached streams", "Only a backend without server can be deleted")
    return _retire_backend(
        change.backend,
        unpublish=Command(f"unpublish backend {backend}", done=("Backend unpublished.", *_GONE)),
        ask=Command(f"show servers state {backend}", reads=True),
        delete=Command(f"del backend {backend}", done=("Backend deleted.", *_GONE), pending=held_up),
    )


def _retire_backend(name: str, *, unpublish: Command, ask: Command, delete: Command) -> Steps:
    _, answer = yield [unpublish, ask]
    servers = parse_servers(answer) if answer.startswith("1\n") else {}
    removals = [command for server in servers.get(name, {}) for command in _removal(_server(name, server))]
    yield [*removals, delete]


def _map_changed(change: MapChanged) -> Steps:
    """Change single entries; adding a key that is there would make it a second one, so setting is tried first."""
    file = _word(change.file)
    lines = [f"map {file} {_key(key)} {_escaped(value)}" for key, value in change.entries.items()]
    removed = [f"del map {file} {_key(key)}" for key in change.removed]
    return _set_or_add(
        updates=[_bounded(Command(f"set {line}", done=("", _NO_ENTRY))) for line in lines],
        additions=[_bounded(Command(f"add {line}")) for line in lines],
        removals=[_bounded(Command(line, done=("", "Key not found."))) for line in removed],
    )


def _set_or_add(updates: list[Command], additions: list[Command], removals: list[Command]) -> Steps:
    answers = yield updates
    yield [addition for addition, answer in zip(additions, answers, strict=True) if answer == _NO_ENTRY]
    yield removals


def _map_replaced(change: MapReplaced) -> Steps:
    file = _word(change.file)
    return _replace_map(file, list(_payloads([_line(key, value) for key, value in change.entries.items()])))


def _replace_map(file: str, payloads: list[str]) -> Steps:
    """Fill a new version of a map beside the one in force, then take it into force in one step."""
    (answer,) = yield [Command(f"prepare map {file}", reads=True)]
    version = parse_new_version(answer)
    if version is None:
        raise RuntimeRefusedError(f"HAProxy refused to prepare {file}: {answer}")
    yield [Command(f"add map @{version} {file} <<", payload=payload) for payload in payloads]
    yield [Command(f"commit map @{version} {file}")]


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


def _certificate_added(change: CertificateAdded) -> Steps:
    """Store a certificate, then put it at the end of the list; one that is in there already is not put in twice."""
    file = _word(change.file)
    new = Command(f"new ssl cert {file}", done=("New empty certificate store", f"Certificate '{file}' already exists!"))
    line = " ".join((file, *map(_word, change.filters)))
    return _list_certificate(
        file,
        store=[new, *_stored(file, change.pem)],
        ask=Command(f"show ssl crt-list -n {CRT_LIST_FILE}", reads=True),
        add=Command(f"add ssl crt-list {CRT_LIST_FILE} <<", payload=line, done=("Success!",)),
    )


def _list_certificate(file: str, *, store: list[Command], ask: Command, add: Command) -> Steps:
    answers = yield [*store, ask]
    if not parse_crt_list(answers[-1]).get(file):
        yield [add]


def _certificate_rotated(change: CertificateRotated) -> Steps:
    return _say(_stored(_word(change.file), change.pem))


def _stored(file: str, pem: str) -> list[Command]:
    """Replace what a certificate's file holds; HAProxy has one such transaction at a time, so it is one turn."""
    return [
        Command(f"set ssl cert {file} <<", payload=_pem(pem), done=("Transaction ",)),
        Command(f"commit ssl cert {file}", done=("Success!",)),
    ]


def _certificate_removed(change: CertificateRemoved) -> Steps:
    file = _word(change.file)
    gone = f"Can't remove the certificate: certificate '{file}' doesn't exist!"
    return _unlist_certificate(
        file,
        ask=Command(f"show ssl crt-list -n {CRT_LIST_FILE}", reads=True),
        delete=Command(f"del ssl cert {file}", done=(f"Certificate '{file}' deleted!", gone)),
    )


def _unlist_certificate(file: str, *, ask: Command, delete: Command) -> Steps:
    (answer,) = yield [ask]
    numbers = parse_crt_list(answer).get(file, ())
    unlist = [Command(f"del ssl crt-list {CRT_LIST_FILE} {file}:{n}", done=("Entry '",)) for n in numbers]
    yield [*unlist, delete]


def _pem(pem: str) -> str:
    """Return a certificate as a payload: an empty line would end it."""
    lines = [line for line in pem.split("\n") if line]
    if not all(line.isascii() and line.isprintable() for line in lines):
        raise UnspeakableError("A certificate has characters that cannot be said on HAProxy's command line")
    return "\n".join(lines)


def _server(backend: str, server: str) -> str:
    return f"{_word(backend)}/{_word(server)}"


def _host(address: str) -> str:
    return f"[{_word(address)}]" if ":" in address else _word(address)


def _line(key: str, value: str) -> str:
    """Return an entry as a line of a payload, which is not read as words: only blanks and line ends count."""
    line = f"{key} {value}"
    if not key or not value or key.startswith("#") or " " in key + value or not line.isprintable():
        raise UnspeakableError(f"Cannot be a line of a map: {line!r}")
    return line


def _key(key: str) -> str:
    """Return a map key as a word; ``#`` first would make it a comment in the file, or a reference to an entry."""
    if key.startswith("#"):
        raise UnspeakableError(f"A map key cannot begin with a number sign: {key!r}")
    return _escaped(key)


def _escaped(text: str) -> str:
    """Return a text as one word: paths may hold what would end a command (Management guide 9.3)."""
    _word(text.translate(_UNESCAPED))
    return text.translate(_ESCAPED)


def _word(word: str) -> str:
    """Return ``word`` if the command line reads it as one word and as it is (Management guide 9.3)."""
    if not word or not word.isprintable() or word.startswith("<<") or any(char in " ;\\" for char in word):
        raise UnspeakableError(f"Cannot be said on HAProxy's command line: {word!r}")
    return word


def _bounded(command: Command) -> Command:
    length = len(command.text.encode())
    if length > LINE_LIMIT:
        raise UnspeakableError(f"Too long for HAProxy's command line, {length} bytes: {command.shown[:80]!r}…")
    return command


_STEPS: Mapping[type, Callable[[Any], Steps]] = MappingProxyType(
    {
        BackendAdded: _backend_added,
        BackendPublished: _backend_published,
        BackendRetired: _backend_retired,
        ServerAdded: _server_added,
        ServerMoved: _server_moved,
        ServerRetired: _server_retired,
        MapChanged: _map_changed,
        MapReplaced: _map_replaced,
        CertificateAdded: _certificate_added,
        CertificateRotated: _certificate_rotated,
        CertificateRemoved: _certificate_removed,
    }
)
