"""What HAProxy answers on its sockets, as values: every parser of command output, and nothing that talks.

The formats are those of the Management guide, section 9.3. Fields that are not used are skipped, so a newer HAProxy
that says more is understood; what is relied upon must be there, or `UnreadableAnswerError` is raised.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from controller.errors import TemporaryError
from models.observed import Capability, ObservedServer

_COMMANDS: Mapping[Capability, tuple[str, ...]] = MappingProxyType(
    {
        Capability.DYNAMIC_SERVERS: ("add server", "del server"),
        Capability.DYNAMIC_BACKENDS: ("add backend", "publish backend", "unpublish backend", "del backend"),
        Capability.WAIT: ("wait",),
    }
)
_MAP_LINE = re.compile(r"-?\d+ \((?P<file>.+?)\) ")
_LIST_LINE = re.compile(r"(?P<file>[^#\s]\S*):(?P<number>\d+)(?: |$)")
_NEW_VERSION = re.compile(r"New version created: (?P<version>\d+)")
_MASTER_LINE = re.compile(r"(?P<pid>\d+)\s+master\s+\d+ \[failed: (?P<failed>\d+)\]")
_WORKER_LINE = re.compile(r"(?P<pid>\d+)\s+worker\s+(?P<reloads>\d+)")
_SERVER_FIELDS = ("be_name", "srv_name", "srv_addr", "srv_port", "srv_admin_state")
_SERVERS_STATE_VERSION = "1"
_SERVER_ROW = "2"
_ROW_TYPES = frozenset({"1", _SERVER_ROW})
"""HAProxy's numbers for rows about backends and about servers."""


class UnreadableAnswerError(TemporaryError):
    """HAProxy answered something this version of the controller cannot read."""

    def __init__(self, command: str, answer: str) -> None:
        super().__init__(f"Cannot read what HAProxy answered to {command!r}: {answer[:200]!r}")


@dataclass(frozen=True, slots=True)
class ProcessInfo:
    """A worker's process id and HAProxy's version (``show info``)."""

    pid: int
    version: str


@dataclass(frozen=True, slots=True)
class Load:
    """What a worker does now (``show info``): connections, new ones a second, requests since it began.

    ``uptime`` is in seconds.
    """

    version: str
    uptime: int
    connections: int
    most_connections: int
    connection_rate: int
    requests: int


@dataclass(frozen=True, slots=True)
class Processes:
    """The processes of one HAProxy (``show proc`` on the master socket).

    ``worker`` is the one in force, None while there is none; ``old_workers`` still serve the connections they had
    before a reload; ``failed_reloads`` counts those since the last good one.
    """

    master: int
    worker: int | None
    old_workers: tuple[int, ...]
    failed_reloads: int


@dataclass(frozen=True, slots=True)
class ReloadResult:
    """Whether a reload was good, and what HAProxy said while it loaded (``reload`` on the master socket)."""

    success: bool
    log: str


@dataclass(frozen=True, slots=True)
class ServerStatistics:
    """A row of ``show stat`` about a server or, if ``server`` is empty, about a whole backend (Management guide 9.1).

    ``seconds`` is how long it has been in its status. ``sessions`` and ``queue`` are now, ``rate`` is within the last
    second; ``total``, ``errors`` (of connections and of responses) and ``failures`` (answers 5xx) are since HAProxy
    has it.
    """

    backend: str
    server: str
    status: str
    seconds: int | None
    sessions: int
    queue: int
    rate: int
    total: int
    errors: int
    failures: int


def parse_statistics(answer: str) -> tuple[ServerStatistics, ...]:
    """Return the rows about backends and servers (``show stat`` of some backends); none if there is no such backend."""
    heading, _, body = answer.removeprefix("# ").partition("\n")
    rows = csv.DictReader(body.splitlines(), heading.split(","))
    return tuple(_statistics(row) for row in rows if row.get("type") in _ROW_TYPES)


def _statistics(row: Mapping[str, str]) -> ServerStatistics:
    def number(*columns: str) -> int:
        return sum(int(value) for column in columns if (value := row.get(column) or "").isdigit())

    return ServerStatistics(
        backend=row["pxname"],
        server=row["svname"] if row["type"] == _SERVER_ROW else "",
        status=row["status"],
        seconds=number("lastchg") if row.get("lastchg") else None,
        sessions=number("scur"),
        queue=number("qcur"),
        rate=number("rate"),
        total=number("stot"),
        errors=number("econ", "eresp"),
        failures=number("hrsp_5xx"),
    )


def parse_help(answer: str) -> frozenset[Capability]:
    """Return what HAProxy can do, from the list of its commands (``help``)."""
    lines = [f"{line.strip()} " for line in answer.split("\n")]

    def has(command: str) -> bool:
        return any(line.startswith(f"{command} ") for line in lines)

    return frozenset(capability for capability, commands in _COMMANDS.items() if all(map(has, commands)))


def parse_info(answer: str) -> ProcessInfo:
    """Return the worker's identity (``show info``).

    Raises:
        UnreadableAnswerError: the process id or the version is missing.
    """
    values = dict(_pairs(answer))
    try:
        return ProcessInfo(pid=int(values["Pid"]), version=values["Version"])
    except (KeyError, ValueError) as error:
        raise UnreadableAnswerError("show info", answer) from error


def parse_load(answer: str) -> Load:
    """Return what a worker does now (``show info``).

    Raises:
        UnreadableAnswerError: something of it is missing.
    """
    values = dict(_pairs(answer))
    try:
        return Load(
            version=values["Version"],
            uptime=int(values["Uptime_sec"]),
            connections=int(values["CurrConns"]),
            most_connections=int(values["Maxconn"]),
            connection_rate=int(values["ConnRate"]),
            requests=int(values["CumReq"]),
        )
    except (KeyError, ValueError) as error:
        raise UnreadableAnswerError("show info", answer) from error


def _pairs(answer: str) -> Iterator[tuple[str, str]]:
    for line in answer.split("\n"):
        name, colon, value = line.partition(": ")
        if colon:
            yield name, value


def parse_map_files(answer: str) -> tuple[str, ...]:
    """Return the names of the map files that HAProxy has loaded (``show map``)."""
    matches = (_MAP_LINE.match(line) for line in answer.split("\n"))
    return tuple(match["file"] for match in matches if match)


def parse_map(answer: str) -> dict[str, str]:
    """Return the entries of one map (``show map <file>``): lines of ``0x<reference> <key> <value>``.

    If a key is there twice, HAProxy looks up the first one, and so does this.

    Raises:
        UnreadableAnswerError: a line is no entry; an unknown map is answered with such a line.
    """
    entries: dict[str, str] = {}
    for line in answer.split("\n"):
        if not line:
            continue
        reference, _, entry = line.partition(" ")
        if not reference.startswith("0x"):
            raise UnreadableAnswerError("show map <file>", answer)
        key, _, value = entry.partition(" ")
        entries.setdefault(key, value)
    return entries


def parse_new_version(answer: str) -> int | None:
    """Return the number of a map's new version (``prepare map <file>``), None if HAProxy refused."""
    match = _NEW_VERSION.match(answer)
    return int(match["version"]) if match else None


def parse_crt_list(answer: str) -> dict[str, tuple[int, ...]]:
    """Return the entries of a certificate list by file, as line numbers (``show ssl crt-list -n <list>``).

    The numbers only tell entries of one file apart. A list that is not there has no entries.
    """
    entries: dict[str, tuple[int, ...]] = {}
    for line in answer.split("\n"):
        match = _LIST_LINE.match(line)
        if match:
            entries[match["file"]] = (*entries.get(match["file"], ()), int(match["number"]))
    return entries


def parse_backends(answer: str) -> tuple[str, ...]:
    """Return the names of all backends (``show backend``), published or not.

    Raises:
        UnreadableAnswerError: the heading is missing.
    """
    heading, *names = answer.split("\n")
    if heading != "# name":
        raise UnreadableAnswerError("show backend", answer)
    return tuple(name for name in names if name)


def parse_servers(answer: str) -> dict[str, dict[str, ObservedServer]]:
    """Return the servers by backend and name (``show servers state``, format version 1).

    A server is ready when no administrative state holds it back (``srv_admin_state`` 0); failing health checks do
    not count.

    Raises:
        UnreadableAnswerError: another format version, or a column is missing.
    """
    lines = iter(answer.split("\n"))
    if next(lines) != _SERVERS_STATE_VERSION:
        raise UnreadableAnswerError("show servers state", answer)
    try:
        return _servers(lines)
    except (StopIteration, ValueError, IndexError) as error:
        raise UnreadableAnswerError("show servers state", answer) from error


def _servers(lines: Iterator[str]) -> dict[str, dict[str, ObservedServer]]:
    heading = next(lines).removeprefix("# ").split(" ")
    backend, name, address, port, admin_state = (heading.index(field) for field in _SERVER_FIELDS)
    servers: dict[str, dict[str, ObservedServer]] = {}
    for line in lines:
        if not line:
            continue
        row = line.split(" ")
        server = ObservedServer(address=row[address], port=int(row[port]), ready=int(row[admin_state]) == 0)
        servers.setdefault(row[backend], {})[row[name]] = server
    return servers


def parse_processes(answer: str) -> Processes:
    """Return the processes (``show proc`` on the master socket, Management guide 9.4).

    After a failed reload HAProxy 3.4 lists the worker that goes on serving among the old ones: if there is no other,
    the youngest of them is the one in force.

    Raises:
        UnreadableAnswerError: no master is listed.
    """
    master = next(filter(None, map(_MASTER_LINE.match, answer.split("\n"))), None)
    if master is None:
        raise UnreadableAnswerError("show proc", answer)
    workers, _, old_workers = answer.partition("# old workers")
    in_force, retired = _pids(workers), _pids(old_workers)
    if not in_force:
        in_force, retired = retired[:1], retired[1:]
    return Processes(
        master=int(master["pid"]),
        worker=in_force[0] if in_force else None,
        old_workers=in_force[1:] + retired,
        failed_reloads=int(master["failed"]),
    )


def _pids(section: str) -> tuple[int, ...]:
    """Return the worker processes of a section, the youngest first."""
    rows = [match for match in map(_WORKER_LINE.match, section.split("\n")) if match]
    return tuple(int(row["pid"]) for row in sorted(rows, key=lambda row: int(row["reloads"])))


def parse_reload(answer: str) -> ReloadResult:
    """Return how a reload went (``reload`` on the master socket, Management guide 9.4): ``Success=1``, ``--``, log.

    Raises:
        UnreadableAnswerError: neither success nor failure is said, as when HAProxy died over it.
    """
    status, _, log = answer.partition("\n")
    if status not in {"Success=0", "Success=1"}:
        raise UnreadableAnswerError("reload", answer)
    return ReloadResult(success=status == "Success=1", log=log.removeprefix("--").strip("\n"))
