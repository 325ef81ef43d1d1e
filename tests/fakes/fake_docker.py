"""A Docker Engine for fast tests: a small HTTP server that answers as a Swarm manager does, and fails on command.

It speaks as much of the Engine API (1.41) as the Docker SDK needs to read a Swarm: ``/_ping``, ``/version``,
``/services``, ``/tasks``, ``/nodes``, ``/configs`` (also to create and remove) and ``/events``, with the filters
``label``, ``name``, ``id`` (services, configs), ``service``, ``desired-state``, ``id`` (tasks) and ``type``, ``scope``
(events). It runs in a thread of its own, on loopback or on a unix socket::

    with FakeDocker() as docker:
        docker.add_service("web", {"com.df.notify": "true"}, replicas=2)
        client = docker_sdk.APIClient(docker.docker_host)
        docker.fail(Fault.HANG, "/tasks", times=1)

Its world is plain JSON in `FakeDocker.services` and `FakeDocker.tasks`, by id. Change it with the methods, which also
send the events a real engine sends, or by hand followed by `FakeDocker.touch`. Answers are built once per change, so
worlds of 10,000 services are fine; build those inside ``with docker.quietly():``.

A real engine is the judge of what is right here: ``tests/sources/test_contract.py`` runs the same cases on both.
"""

import asyncio
import contextlib
import copy
import json
import re
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from fakes.connections import Connections

Json = dict[str, Any]
Filters = dict[str, list[str]]

INGRESS = "ingress"
_OLDEST, _NEWEST = "1.12", "1.41"


class Fault(StrEnum):
    """What may go wrong with an answer."""

    REFUSE = "refuse"
    """The connection is closed before anything is said."""
    HANG = "hang"
    """Nothing is ever said."""
    ERROR = "error"
    """Status 500, as when the managers have lost their quorum."""
    NOT_A_MANAGER = "not a manager"
    """Status 503, as from a worker."""
    FORBIDDEN = "forbidden"
    """Status 403, as from a proxy before the socket."""
    TRUNCATED = "truncated"
    """Half of the body, then the connection is closed."""
    HALF_JSON = "half json"
    """Half of the body, with a Content-Length that fits."""
    GARBAGE = "garbage"
    """A body that is no JSON."""
    WRONG = "wrong"
    """A body that is JSON, but not what was asked for."""
    EMPTY = "empty"
    """A list with nothing in it."""
    TRICKLE = "trickle"
    """The body byte by byte, for ever: no read times out, and no answer ends."""
    SLOW = "slow"
    """The right answer, after `FakeDocker.slowness` seconds."""


class FakeDocker:
    """The engine; a context manager, or `start` and `stop`.

    ``unix_socket`` is a path to listen on instead of a port of 127.0.0.1.
    """

    def __init__(self, unix_socket: Path | None = None) -> None:
        self.services: dict[str, Json] = {}
        self.tasks: dict[str, Json] = {}
        self.nodes: dict[str, Json] = {}
        self.configs: dict[str, Json] = {}
        self.requests: Counter[str] = Counter()
        """How often each path was asked for, since the start or the last ``clear()``."""
        self.queries: list[tuple[str, Filters]] = []
        """What was asked for, with which filters, in order."""
        self.slowness = 0.2
        self._versions = (_OLDEST, _NEWEST)
        self._unix_socket = unix_socket
        self._numbers = count(1)
        self._index = 10
        self._networks: dict[str, int] = {}
        self._faults: dict[str, tuple[Fault, int | None]] = {}
        self._answers: dict[tuple[str, str], bytes] = {}
        self._lock = threading.RLock()
        self._is_quiet = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server = Connections(self._answer_next, unix_socket)
        self._thread: threading.Thread | None = None
        self._streams: dict[asyncio.Queue[bytes | None], Filters] = {}

    # --- Life --------------------------------------------------------------------------------------------------------

    @property
    def docker_host(self) -> str:
        """What to put into ``DOCKER_HOST``; stays the same over `stop` and `start`."""
        return f"unix://{self._unix_socket}" if self._unix_socket else f"tcp://127.0.0.1:{self._server.port}"

    @property
    def streams(self) -> int:
        """How many clients follow the events now."""
        return len(self._streams)

    def start(self) -> Self:
        """Listen; after `stop`, on the same address again."""
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(ready,), name="fake-docker", daemon=True)
        self._thread.start()
        if not ready.wait(10):
            raise RuntimeError("the fake engine did not start")
        return self

    def stop(self) -> None:
        """Close every connection, and listen no more: clients are refused."""
        if self._loop is None or self._thread is None:
            return
        asyncio.run_coroutine_threadsafe(self._server.close(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._thread = self._loop = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_error: object) -> None:
        self.stop()

    # --- The world ---------------------------------------------------------------------------------------------------

    def add_service(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        replicas: int | None = 1,
        running: int | None = None,
        networks: Sequence[str] = ("front",),
        endpoint_mode: str = "vip",
        created_at: str | None = None,
    ) -> Json:
        """Create a service with its tasks; ``replicas=None`` makes it global, with a task on each of two nodes.

        ``running`` is the number of tasks that run (default: all), the others are pending. Each network is a
        ``/16``: the first ever named ``10.0.0.0``, the next ``10.1.0.0``; the one called ``ingress`` is the
        routing mesh.
        """
        number = next(self._numbers)
        mode = {"Global": {}} if replicas is None else {"Replicated": {"Replicas": replicas}}
        spec = {
            "Name": name,
            "Labels": dict(labels or {}),
            "TaskTemplate": {"Networks": [{"Target": each} for each in networks]},
            "Mode": mode,
            "EndpointSpec": {"Mode": endpoint_mode},
        }
        endpoint: Json = {"Spec": {"Mode": endpoint_mode}}
        if endpoint_mode == "vip":
            endpoint["VirtualIPs"] = [
                {"NetworkID": f"id-{each}", "Addr": self._address(each, number, virtual=True)} for each in networks
            ]
        service: Json = {
            "ID": f"svc{number:022d}",
            "Version": {"Index": self._next_index()},
            "CreatedAt": created_at or _now(),
            "UpdatedAt": _now(),
            "Spec": spec,
            "Endpoint": endpoint,
        }
        with self._lock:
            self.services[service["ID"]] = service
            tasks = 2 if replicas is None else replicas
            for slot in range(1, tasks + 1):
                state = "running" if running is None or slot <= running else "pending"
                self.add_task(name, slot=0 if replicas is None else slot, node=f"node{slot % 2}", state=state)
            self.touch()
        self.emit("service", "create", service["ID"], name)
        return service

    def update_service(
        self,
        name: str,
        labels: Mapping[str, str] | None = None,
        *,
        replicas: int | None = None,
        update_state: str | None = None,
    ) -> Json:
        """Change labels or the number of replicas, as ``docker service update`` does; tasks stay as they are.

        ``update_state`` sets ``UpdateStatus.State``, for example to ``updating``.
        """
        with self._lock:
            service = self.service(name)
            service["PreviousSpec"] = copy.deepcopy(service["Spec"])
            if labels is not None:
                service["Spec"]["Labels"] = dict(labels)
            if replicas is not None:
                service["Spec"]["Mode"] = {"Replicated": {"Replicas": replicas}}
            if update_state is not None:
                service["UpdateStatus"] = {"State": update_state, "StartedAt": _now(), "Message": "update in progress"}
            service["Version"]["Index"] = self._next_index()
            service["UpdatedAt"] = _now()
            self.touch()
        self.emit("service", "update", service["ID"], name)
        return service

    def remove_service(self, name: str) -> None:
        """Remove a service and its tasks."""
        with self._lock:
            service = self.services.pop(self.service(name)["ID"])
            self.tasks = {id_: task for id_, task in self.tasks.items() if task["ServiceID"] != service["ID"]}
            self.touch()
        self.emit("service", "remove", service["ID"], name)

    def add_task(self, service_name: str, *, slot: int = 1, node: str = "node1", state: str = "running") -> Json:
        """Give a service one more task; Swarm sends no event for that, and neither does this."""
        with self._lock:
            service = self.service(service_name)
            number = next(self._numbers)
            networks = [each["Target"] for each in service["Spec"]["TaskTemplate"]["Networks"]]
            task: Json = {
                "ID": f"tsk{number:022d}",
                "Version": {"Index": self._next_index()},
                "CreatedAt": _now(),
                "ServiceID": service["ID"],
                "NodeID": node,
                "Status": {"Timestamp": _now(), "State": state, "PortStatus": {}},
                "DesiredState": "running",
                "NetworksAttachments": [self._attachment(each, number) for each in networks],
            }
            if slot:
                task["Slot"] = slot
            self.tasks[task["ID"]] = task
            self.touch()
            return task

    def end_task(self, task_id: str, *, desired: str = "shutdown") -> None:
        """Make Swarm want a task no longer."""
        with self._lock:
            self.tasks[task_id]["DesiredState"] = desired
            self.touch()

    def service(self, name: str) -> Json:
        """The service called ``name``; `StopIteration` if there is none."""
        return next(each for each in self.services.values() if each["Spec"]["Name"] == name)

    def tasks_of(self, name: str) -> list[Json]:
        """The tasks of the service called ``name``."""
        service_id = self.service(name)["ID"]
        return [task for task in self.tasks.values() if task["ServiceID"] == service_id]

    def touch(self) -> None:
        """Forget the answers built so far: to be called after changing the JSON by hand."""
        with self._lock:
            self._answers.clear()

    @contextlib.contextmanager
    def quietly(self) -> Iterator[None]:
        """Send no events inside."""
        self._is_quiet = True
        try:
            yield
        finally:
            self._is_quiet = False

    def emit(self, kind: str, action: str, id_: str, name: str, *, scope: str = "swarm") -> None:
        """Send an event to those who follow."""
        if self._is_quiet or self._loop is None:
            return
        moment = datetime.now(UTC).timestamp()
        event = {
            "Type": kind,
            "Action": action,
            "Actor": {"ID": id_, "Attributes": {"name": name}},
            "scope": scope,
            "time": int(moment),
            "timeNano": int(moment * 1e9),
        }
        self._loop.call_soon_threadsafe(self._send_event, event)

    # --- Faults ------------------------------------------------------------------------------------------------------

    def fail(self, fault: Fault, path: str = "", *, times: int | None = None) -> None:
        """Let every answer whose path (without version) begins with ``path`` fail; ``times`` limits how often."""
        with self._lock:
            self._faults[path] = (fault, times)

    def heal(self) -> None:
        """Fail no more, and speak the usual versions; answers that hang go on hanging."""
        with self._lock:
            self._faults.clear()
            self._versions = (_OLDEST, _NEWEST)
            self.touch()

    def speak(self, oldest: str, newest: str) -> None:
        """Refuse requests of other versions of the API, as another engine at the same address does, until `heal`."""
        self._versions = (oldest, newest)
        self.touch()
        self.close_event_streams()

    def close_event_streams(self) -> None:
        """End the streams of all who follow the events, as an engine does that restarts."""
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end_streams)

    # --- The server: all below runs in the thread --------------------------------------------------------------------

    def _run(self, ready: threading.Event) -> None:
        loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.run_until_complete(self._server.listen())
        self._loop = loop
        loop.call_soon(ready.set)
        loop.run_forever()
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()

    async def _answer_next(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """Answer one request; False if the connection is to be closed."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"\r\nContent-Length: (\d+)", head, re.IGNORECASE)
        sent = await reader.readexactly(int(length[1])) if length else b""
        method = head.split(b" ", 1)[0].decode()
        target = urlsplit(head.split(b" ", 2)[1].decode())
        path = re.sub(r"^/v[\d.]+", "", target.path)
        filters = _filters(parse_qs(target.query).get("filters", ["{}"])[0])
        self.requests[path] += 1
        self.queries.append((path, filters))
        if words := self._version_refusal(target.path):
            writer.write(_head(400, len(words)) + words)
            await writer.drain()
            return True
        fault = self._fault(path)
        if fault is not None and fault is not Fault.SLOW:
            return await self._misbehave(fault, path, filters, writer)
        if fault is Fault.SLOW:
            await asyncio.sleep(self.slowness)
        if path == "/events":
            return await self._stream_events(filters, reader, writer)
        status, body = self._answer(path, filters) if method == "GET" else self._change(method, path, sent)
        writer.write(_head(status, len(body)) + body)
        await writer.drain()
        return True

    def _version_refusal(self, path: str) -> bytes:
        """The engine's words for a version that it does not speak; empty if it does, or if none is named."""
        asked = re.match(r"/v([\d.]+)/", path)
        oldest, newest = self._versions
        if asked and _version(asked[1]) < _version(oldest):
            words = f"client version {asked[1]} is too old. Minimum supported API version is {oldest}"
        elif asked and _version(asked[1]) > _version(newest):
            words = f"client version {asked[1]} is too new. Maximum supported API version is {newest}"
        else:
            return b""
        return json.dumps({"message": words}).encode()

    def _fault(self, path: str) -> Fault | None:
        with self._lock:
            for prefix, (fault, times) in self._faults.items():
                if path.startswith(prefix) and times != 0:
                    self._faults[prefix] = (fault, None if times is None else times - 1)
                    return fault
        return None

    async def _misbehave(self, fault: Fault, path: str, filters: Filters, writer: asyncio.StreamWriter) -> bool:
        _, body = self._answer(path, filters)
        half = body[: len(body) // 2]
        refusals = {
            Fault.ERROR: (500, b'{"message":"rpc error: code = Unknown desc = The swarm does not have a leader."}'),
            Fault.NOT_A_MANAGER: (503, b'{"message":"This node is not a swarm manager."}'),
            Fault.FORBIDDEN: (403, b"<html><body><h1>403 Forbidden</h1></body></html>"),
            Fault.HALF_JSON: (200, half),
            Fault.GARBAGE: (200, b"<html>it works</html>"),
            Fault.WRONG: (200, b'{"message":"hello"}'),
            Fault.EMPTY: (200, b"[]"),
        }
        if fault is Fault.HANG:
            await asyncio.Event().wait()
        elif fault is Fault.TRUNCATED:
            writer.write(_head(200, len(body)) + half)
        elif fault is Fault.TRICKLE:
            await _trickle(writer)
        elif fault in refusals:
            status, words = refusals[fault]
            writer.write(_head(status, len(words)) + words)
        await writer.drain()
        return fault in refusals

    def _answer(self, path: str, filters: Filters) -> tuple[int, bytes]:
        """The answer as bytes, built once until the world changes."""
        key = (path, json.dumps(filters, sort_keys=True))
        with self._lock:
            if key in self._answers:
                return 200, self._answers[key]
            status, answer = self._lookup(path, filters)
            body = answer if isinstance(answer, bytes) else json.dumps(answer, separators=(",", ":")).encode()
            if status == 200:
                self._answers[key] = body
            return status, body

    def _change(self, method: str, path: str, sent: bytes) -> tuple[int, bytes]:
        """Create or remove a config object."""
        with self._lock:
            id_ = path.removeprefix("/configs/")
            if method == "POST" and path == "/configs/create":
                spec = json.loads(sent)
                if any(each["Spec"]["Name"] == spec["Name"] for each in self.configs.values()):
                    return 409, b'{"message":"rpc error: code = AlreadyExists desc = config already exists"}'
                id_, action = f"cfg{next(self._numbers):022d}", "create"
                self.configs[id_] = {"ID": id_, "Version": {"Index": self._next_index()}, "Spec": spec}
            elif method == "DELETE" and id_ in self.configs:
                spec, action = self.configs.pop(id_)["Spec"], "remove"
            else:
                return 404, b'{"message":"config not found"}'
            self.touch()
        self.emit("config", action, id_, spec["Name"])
        return (201, json.dumps({"ID": id_}).encode()) if action == "create" else (204, b"")

    def _lookup(self, path: str, filters: Filters) -> tuple[int, Any]:
        if path == "/_ping":
            return 200, b"OK"
        if path == "/version":
            return 200, {
                "Version": "20.10.24",
                "ApiVersion": self._versions[1],
                "MinAPIVersion": self._versions[0],
                "Os": "linux",
            }
        if path in ("/services", "/configs", "/nodes"):
            objects: dict[str, Json] = getattr(self, path.removeprefix("/"))
            ids = filters.get("id", [])
            # As in a real engine, whole IDs are looked up rather than searched for.
            found = [objects[id_] for id_ in ids] if ids and objects.keys() >= set(ids) else objects.values()
            return 200, [each for each in found if _service_matches(each, filters)]
        if path == "/tasks":
            return self._lookup_tasks(filters)
        if path == "/networks":
            return 200, [{"Id": f"id-{each}", "Name": each, "Scope": "swarm"} for each in self._networks]
        return 404, {"message": "page not found"}

    def _lookup_tasks(self, filters: Filters) -> tuple[int, Any]:
        wanted = filters.get("service", [])
        if not self.services.keys() >= set(wanted):
            names = {each["Spec"]["Name"]: id_ for id_, each in self.services.items()}
            wanted = [names.get(each, each) for each in wanted]
        for each in wanted:
            if each not in self.services:
                return 404, {"message": f"service {each} not found"}
        states = filters.get("desired-state", [])
        ids = filters.get("id", [])
        return 200, [
            task
            for task in self.tasks.values()
            if (not wanted or task["ServiceID"] in wanted)
            and (not states or task["DesiredState"] in states)
            and (not ids or any(task["ID"].startswith(each) for each in ids))
        ]

    async def _stream_events(
        self, filters: Filters, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        gone = asyncio.create_task(_until_gone(reader, queue))
        self._streams[queue] = filters
        try:
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
            )
            await writer.drain()
            while (line := await queue.get()) is not None:
                writer.write(f"{len(line):x}\r\n".encode() + line + b"\r\n")
                await writer.drain()
        finally:
            gone.cancel()
            del self._streams[queue]
        return False

    def _send_event(self, event: Json) -> None:
        line = json.dumps(event, separators=(",", ":")).encode() + b"\n"
        for queue, filters in self._streams.items():
            types, scopes = filters.get("type", []), filters.get("scope", [])
            if (not types or event["Type"] in types) and (not scopes or event["scope"] in scopes):
                queue.put_nowait(line)

    def _end_streams(self) -> None:
        for queue in self._streams:
            queue.put_nowait(None)

    def _attachment(self, network: str, number: int) -> Json:
        spec = {"Name": network, "Scope": "swarm"} | ({"Ingress": True} if network == INGRESS else {})
        return {
            "Network": {"ID": f"id-{network}", "Spec": spec},
            "Addresses": [self._address(network, number, virtual=False)],
        }

    def _address(self, network: str, number: int, *, virtual: bool) -> str:
        """In the network's own ``10.n.0.0/16``: virtual IPs are in its lower half, tasks in its upper half."""
        second = self._networks.setdefault(network, len(self._networks))
        third = number // 250 % 128 + (0 if virtual else 128)
        return f"10.{second}.{third}.{number % 250 + 1}/16"

    def _next_index(self) -> int:
        with self._lock:
            self._index += 1
            return self._index


def _service_matches(service: Json, filters: Filters) -> bool:
    spec = service["Spec"]
    names, ids = filters.get("name", []), filters.get("id", [])
    return (
        all(_label_matches(spec.get("Labels") or {}, each) for each in filters.get("label", []))
        and (not names or any(spec["Name"].startswith(each) for each in names))
        and (not ids or any(service["ID"].startswith(each) for each in ids))
    )


def _label_matches(labels: Mapping[str, str], wanted: str) -> bool:
    key, equals, value = wanted.partition("=")
    return key in labels and (not equals or labels[key] == value)


def _filters(text: str) -> Filters:
    """Both forms the engine accepts: lists, and the older mappings of value to true."""
    return {name: list(values) for name, values in json.loads(text).items()}


def _now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def _version(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(".")))


def _head(status: int, length: int) -> bytes:
    return (
        f"HTTP/1.1 {status} Status\r\nApi-Version: {_NEWEST}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {length}\r\n\r\n"
    ).encode()


async def _trickle(writer: asyncio.StreamWriter) -> None:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"1\r\n \r\n")
        await writer.drain()
        await asyncio.sleep(0.02)


async def _until_gone(reader: asyncio.StreamReader, queue: asyncio.Queue[bytes | None]) -> None:
    """Ends the stream when its client is gone."""
    with contextlib.suppress(ConnectionError):
        await reader.read(1)
    queue.put_nowait(None)
