"""Running a role: its work and its API, until a signal asks to stop or a part fails, which ends all."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import structlog

from controller.backoff import Backoff
from controller.errors import TemporaryError
from controller.sources.health import HealthySource

if TYPE_CHECKING:
    from uvicorn import Server

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Api:
    """What serves the API of a role, by the variable that the port comes from, and what to do before it can stop."""

    servers: "Mapping[str, Server]"
    on_stop: Callable[[], None] = lambda: None

    async def serve(self) -> None:
        """Serve until asked to stop.

        Raises:
            TemporaryError: a port is taken.
        """
        async with asyncio.TaskGroup() as group:
            for variable, server in self.servers.items():
                group.create_task(_serve(server, variable))

    def stop(self) -> None:
        """Have it end."""
        self.on_stop()
        for server in self.servers.values():
            server.should_exit = True


async def _serve(server: "Server", variable: str) -> None:
    try:
        await server.serve()
    except SystemExit:  # how the server says that it could not listen; it has logged why
        config = server.config
        words = f"the API cannot listen on {config.host}:{config.port}; set {variable} to a free port"
        raise TemporaryError(words) from None


async def run_until_stopped(make_api: Callable[[], Awaitable[Api]], *work: Coroutine[Any, Any, None]) -> None:
    """Run everything until SIGTERM or SIGINT, or until a part fails, which ends all. The API is begun first."""
    made: asyncio.Future[Api] = asyncio.get_running_loop().create_future()

    async def answer() -> None:
        api = await make_api()
        made.set_result(api)
        await api.serve()

    async with _stop_signal() as stopped, asyncio.TaskGroup() as group:
        answering = group.create_task(answer())
        tasks = [group.create_task(one) for one in work]
        await stopped.wait()
        log.info("Stopping")
        for task in tasks:
            task.cancel()
        if made.done():
            made.result().stop()
        else:
            answering.cancel()
        await asyncio.wait([answering])


@asynccontextmanager
async def _stop_signal() -> AsyncIterator[asyncio.Event]:
    """Give an event that is set by SIGTERM or SIGINT."""
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGTERM, signal.SIGINT)
    for number in numbers:
        loop.add_signal_handler(number, stopped.set)
    try:
        yield stopped
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)


def patience() -> Backoff:
    """Return a backoff for rounds: short, since whoever was away is to be noticed soon when it is back."""
    return Backoff(longest=5.0)


def staleness_of(source: HealthySource) -> float:
    """Return the seconds since a source was read, without end if it never was."""
    return time.monotonic() - source.last_success if source.last_success is not None else float("inf")
