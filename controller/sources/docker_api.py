"""`DockerSource`: the world as a Swarm manager's Docker API tells it.

One reading is two requests, however many services there are. Events only say "look again"; and because Swarm has
no events for tasks, the timer in `DockerSource.watch` says so too, often while something is changing.

While events come in, only the services that they name are read again, and those whose tasks are coming and going, so
that a change costs the engine the same in a large Swarm as in a small one. Everything is read at the start, every few
seconds, whenever the stream of events was interrupted, and if there is any doubt; so what an event did not tell, or
told wrongly, is put right by itself.
"""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Any, TypeVar

from docker.tls import TLSConfig

from controller.backoff import Backoff
from controller.errors import SourceUnavailableError
from controller.sources.declared_configs import FILTER, Kept, NewConfig, certificates_of, decode_configs, services_of
from controller.sources.decode import (
    LABEL_PREFIX,
    NOTIFY_LABEL,
    SnapshotDecoder,
    decode_addresses,
    decode_nodes,
    find_service_id,
    service_ids,
)
from controller.sources.docker_connection import DockerConnection, Filters
from controller.sources.health import Clock, HealthRecord, Outage
from controller.sources.threads import Work
from controller.sources.unread import Stirred, Unread, poll_interval
from models.declared import joined
from models.settings.listener import LONGEST_POLLING
from models.snapshot import Snapshot
from models.tables import Latest

T = TypeVar("T")

WORLD_EVENTS = ("service", "node", "network", "secret", "config")
"""The types of objects whose events may mean another world."""
_RUNNING: Filters = {"desired-state": ("running",)}
_KEPT: Filters = {"label": FILTER}
_CALLERS_KEPT = 1.0
_MARGIN = 0.5
_GOODBYE = 1.0
_STEADY = 10.0
_MOST_PATIENCE = 5.0
"""Seconds between attempts, at most: small, since an engine that is back should be heard soon, and asking is cheap."""


class DockerSource(HealthRecord):
    """Reads services and tasks from the engine at ``docker_host``, which must be a Swarm manager.

    Services without ``notify_label`` are left out by the engine itself; of labels only those that begin with
    ``label_prefix`` are kept. ``with_declared`` adds the services and certificates that are kept in config objects.
    ``events`` are the types of objects whose events are followed; with none there is only the timer.
    All times are in seconds: ``timeout`` for one whole reading, ``slow_poll`` between readings when nothing is
    changing, ``silence`` after which a mute event stream is opened anew.

    Attributes:
        events_lost: called each time that the stream of events cannot be had.
    """

    def __init__(
        self,
        docker_host: str = "unix:///var/run/docker.sock",
        notify_label: str = NOTIFY_LABEL,
        *,
        label_prefix: str = LABEL_PREFIX,
        with_declared: bool = False,
        tls: TLSConfig | bool = False,
        timeout: float = 10.0,
        slow_poll: float = LONGEST_POLLING,
        events: tuple[str, ...] = WORLD_EVENTS,
        silence: float = 600.0,
        clock: Clock = time.monotonic,
    ) -> None:
        super().__init__(clock)
        self._opted_in: Filters = {"label": (notify_label,)}
        self._decoder = SnapshotDecoder(notify_label=notify_label, label_prefix=label_prefix)
        self._with_declared = with_declared
        self._timeout = timeout
        self.events_lost: Callable[[], None] = lambda: None
        self._slow_poll = slow_poll
        self._events: Filters | None = {"type": events, "scope": ("swarm",)} if events else None
        self._silence = silence
        self._connect: Callable[[], DockerConnection] = partial(DockerConnection, docker_host, tls=tls, timeout=timeout)
        self._connection = self._connect()
        self._turn = asyncio.Lock()
        self._stuck: Work[Any] | None = None
        self._unread = Unread()
        self._follows_events = False
        self._stirred = Stirred()
        self._has_stirred = asyncio.Event()
        self._polled_at = self._polled_whole_at = self._changed_at = clock()
        self._world = Snapshot()
        self._kept: Latest[tuple[Kept, ...]] = Latest(decode_configs)
        self._configs = b"[]"
        self._joined: Latest[Snapshot] = Latest(_joined)
        self._callers: tuple[float, str, frozenset[str]] | None = None

    async def snapshot(self) -> Snapshot:
        """Read what may be different from the last reading; the same object as before if nothing is.

        Raises:
            SourceUnavailableError: the engine does not give a whole answer in time; the text says what to do.
        """
        services = self._unread.take() if self._follows_events else None
        try:
            if services is None:
                await self._read(self._read_everything)
            elif services:
                await self._read(lambda connection: self._read_some(connection, services))
            else:
                return self._world
        except BaseException as error:
            self._unread.add_everything()
            if isinstance(error, SourceUnavailableError):
                self.failed(error)
            raise
        self.succeeded()
        if self._world.unsettled:
            self._has_stirred.set()
        return self._world

    def doubt(self) -> None:
        """Have the next reading be one of everything."""
        self._unread.add_everything()

    async def proxy_addresses(self, service_name: str) -> frozenset[str]:
        """The addresses of the running tasks of the service with exactly this name; none if there is no such service.

        Answers are kept for a second, so that strangers who ask for a snapshot cost the engine little.

        Raises:
            SourceUnavailableError: the engine cannot tell.
        """
        now = self._clock()
        if self._callers and self._callers[1] == service_name and now - self._callers[0] < _CALLERS_KEPT:
            return self._callers[2]
        addresses = await self._read(lambda connection: self._read_addresses(connection, service_name))
        self._callers = (now, service_name, addresses)
        return addresses

    async def kept(self) -> tuple[Kept, ...]:
        """Return the config objects that keep what was put through the API, oldest first.

        Raises:
            SourceUnavailableError: the engine cannot tell.
        """

        def read(connection: DockerConnection) -> tuple[Kept, ...]:
            return decode_configs(connection.read("/configs", _KEPT, deadline=self._deadline()))

        return await self._read(read)

    async def keep(self, config: NewConfig) -> None:
        """Make a config object.

        Raises:
            SourceUnavailableError: the engine refuses, or does not answer.
        """
        await self._read(lambda connection: connection.create_config(config.name, config.data, config.labels))
        self._unread.add_everything()

    async def forget(self, id_: str) -> None:
        """Remove a config object; it may be gone already.

        Raises:
            SourceUnavailableError: the engine refuses, or does not answer.
        """
        await self._read(lambda connection: connection.remove_config(id_))
        self._unread.add_everything()

    async def nodes(self) -> tuple[dict[str, str], ...]:
        """Return the nodes of the Swarm, as DFSL describes them.

        Raises:
            SourceUnavailableError: the engine cannot tell.
        """

        def read(connection: DockerConnection) -> tuple[dict[str, str], ...]:
            return decode_nodes(connection.read("/nodes", {}, deadline=self._deadline()))

        return await self._read(read)

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """Mark dirty upon events, after each (re)connection, and by a timer that follows the Swarm's pace."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._poll(mark_dirty))
            if self._events is not None:
                group.create_task(self._follow_events(mark_dirty, self._events))

    async def close(self) -> None:
        """Let go of the connection."""
        async with self._turn:
            self._connection.abort()
            self._connection.close()
            self._connection = self._connect()

    def _read_everything(self, connection: DockerConnection) -> None:
        self._take_over(self._everything(connection, self._deadline()))

    def _read_some(self, connection: DockerConnection, wanted: frozenset[str]) -> None:
        deadline, world = self._deadline(), None
        # A service was removed meanwhile, or this engine is asked in a way it does not like: then all are read.
        with suppress(SourceUnavailableError, ValueError):
            world = self._some(connection, tuple(sorted(wanted)), deadline)
        self._take_over(world or self._everything(connection, deadline))

    def _deadline(self) -> float:
        """Return when a reading that begins now has to be over."""
        return time.monotonic() + self._timeout

    def _everything(self, connection: DockerConnection, deadline: float) -> Snapshot:
        # A service that is updated between the two reads appears with old labels and new tasks, one that is
        # created or removed without tasks. Neither lasts: each such change is an event of its own, so that a
        # reading that began after it follows. Services come first so that the tasks, which nothing tells us
        # about, are the fresher part.
        known_services, known_tasks = self._decoder.bodies
        services = connection.read("/services", self._opted_in, deadline=deadline, known=known_services)
        tasks = connection.read("/tasks", _RUNNING, deadline=deadline, known=known_tasks)
        if self._with_declared:
            self._configs = connection.read("/configs", _KEPT, deadline=deadline)
        return self._decoder.decode(services, tasks)

    def _some(self, connection: DockerConnection, named: tuple[str, ...], deadline: float) -> Snapshot:
        """Read these services and their tasks."""
        services = connection.read("/services", {**self._opted_in, "id": named}, deadline=deadline)
        # The engine refuses to tell the tasks of services that it does not know.
        found = service_ids(services)
        tasks = connection.read("/tasks", {**_RUNNING, "service": found}, deadline=deadline) if found else b"[]"
        return self._decoder.decode_some(named, services, tasks)

    def _take_over(self, world: Snapshot) -> None:
        snapshot = self._joined(world, self._kept(self._configs))
        if snapshot is not self._world:
            self._world, self._changed_at = snapshot, self._clock()

    def _read_addresses(self, connection: DockerConnection, service_name: str) -> frozenset[str]:
        deadline = self._deadline()
        services = connection.read("/services", {"name": (service_name,)}, deadline=deadline)
        service_id = find_service_id(services, service_name)
        if service_id is None:
            return frozenset()
        tasks = connection.read("/tasks", {**_RUNNING, "service": (service_id,)}, deadline=deadline)
        return decode_addresses(tasks)

    async def _read(self, call: Callable[[DockerConnection], T]) -> T:
        """Run a blocking read in a thread; at most one such thread exists, however long an engine hangs."""
        async with self._turn:
            if self._stuck and self._stuck.is_running:
                raise SourceUnavailableError(
                    f"Docker Engine at {self._connection.docker_host}: an earlier read still hangs; "
                    "is the engine overloaded or hanging?"
                )
            connection = self._connection
            work = Work(lambda: _decoded(call, connection), name="docker-read")
            try:
                async with asyncio.timeout(self._timeout + _MARGIN):
                    return await work.result()
            except TimeoutError:
                raise SourceUnavailableError(
                    f"Docker Engine at {connection.docker_host}: no whole answer within {self._timeout:g} s; "
                    "is the engine overloaded or hanging?"
                ) from None
            finally:
                if work.is_running and not work.is_done:
                    connection.abort()
                    self._connection = self._connect()
                    self._stuck = work

    async def _poll(self, mark_dirty: Callable[[str], None]) -> None:
        while True:
            self._has_stirred.clear()
            try:
                async with asyncio.timeout(self._until_poll()):
                    # Whatever stirs the world has marked it dirty by itself; it only makes the timer run faster.
                    await self._has_stirred.wait()
            except TimeoutError:
                self._look_again()
                mark_dirty("poll")

    def _until_poll(self) -> float:
        """Return the seconds until something has to be read without an event."""
        now = self._clock()
        unsettled = self._stirred.unsettled(self._world, now)
        services = len(unsettled) if self._follows_events and unsettled is not None else None
        interval = poll_interval(
            self._world if self.error is None else Snapshot(),
            since_stirred=self._stirred.since(now),
            since_change=now - self._changed_at,
            slow=self._slow_poll,
            services=services,
        )
        return max(0.0, min(self._polled_at + interval, self._polled_whole_at + self._slow_poll) - now)

    def _look_again(self) -> None:
        """Have read what may have changed without an event."""
        now = self._polled_at = self._clock()
        unsettled = self._stirred.unsettled(self._world, now)
        if unsettled is None or now - self._polled_whole_at >= self._slow_poll:
            self._polled_whole_at = now
            self._unread.add_everything()
        else:
            self._unread.add(unsettled)

    async def _follow_events(self, mark_dirty: Callable[[str], None], wanted: Filters) -> None:
        outage = Outage("Event stream lost", "Event stream restored")
        backoff = Backoff(first=0.25, longest=_MOST_PATIENCE)
        while True:
            began = self._clock()
            try:
                await self._follow_stream(mark_dirty, wanted, outage)
            except SourceUnavailableError as error:
                outage.begin(error)
                self.events_lost()
            if self._clock() - began > _STEADY:
                backoff.reset()
            await asyncio.sleep(backoff.next_delay())

    async def _follow_stream(self, mark_dirty: Callable[[str], None], wanted: Filters, outage: Outage) -> None:
        """Follow one event stream to its end."""
        loop = asyncio.get_running_loop()

        def stir(line: str) -> None:
            outage.end()
            self._follows_events = True
            self._note(*_subject(line))
            mark_dirty("event" if line else "event stream connected")

        connection = self._connect()
        work = Work(
            lambda: connection.follow(
                "/events",
                wanted,
                on_event=lambda line: _call_in(loop, stir, line),
                silence=self._silence,
            ),
            name="docker-events",
        )
        try:
            await work.result()
        finally:
            self._follows_events = False
            connection.abort()
            await work.ended(_GOODBYE)

    def _note(self, kind: str, id_: str) -> None:
        """Note an event about the object with this ID; without a type it is that events come in from now on."""
        if kind == "service" and id_:
            self._unread.add((id_,))
            self._stirred.stir(id_, self._clock())
        else:
            self._unread.add_everything()
        if kind == "node":  # the tasks of any service may have been on it
            self._stirred.stir(None, self._clock())
        self._has_stirred.set()


def _joined(world: Snapshot, kept: tuple[Kept, ...]) -> Snapshot:
    if certificates := certificates_of(kept):
        world = Snapshot(services=world.services, certificates=certificates)
    return joined(world, services_of(kept))


def _subject(event: str) -> tuple[str, str]:
    """Return the type and the ID of what an event is about (Docker API: ``Type``, ``Actor.ID``), empty if unknown."""
    with suppress(ValueError, KeyError, TypeError):
        told = json.loads(event)
        return str(told["Type"]), str(told["Actor"]["ID"])
    return "", ""


def _decoded(call: Callable[[DockerConnection], T], connection: DockerConnection) -> T:
    try:
        return call(connection)
    except ValueError as error:
        raise SourceUnavailableError(
            f"Docker Engine at {connection.docker_host}: its answer is not that of a Docker Engine ({error}); "
            "is DOCKER_HOST right?"
        ) from error


def _call_in(loop: asyncio.AbstractEventLoop, call: Callable[[str], None], value: str) -> None:
    if not loop.is_closed():
        loop.call_soon_threadsafe(call, value)
