"""Running a role: its work and its API, until a signal asks to stop or a part fails, which ends all."""

import asyncio
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from typing import Any

import structlog
from uvicorn import Server

from controller.backoff import Backoff
from controller.errors import TemporaryError
from controller.sources.health import HealthySource

log = structlog.get_logger()


async def run_until_stopped(
    servers: Mapping[str, Server],
    *work: Coroutine[Any, Any, None],
    on_stop: Callable[[], None] = lambda: None,
) -> None:
    """Run everything until SIGTERM or SIGINT, or until a part fails, which ends all.

    ``servers`` are the ones of the API, by the variable that their port comes from.
    """
    async with _stop_signal() as stopped, asyncio.TaskGroup() as group:
        # First what answers: a listener that is asked asks back.
        serving = [group.create_task(_serve(server, variable)) for variable, server in servers.items()]
        tasks = [group.create_task(one) for one in work]
        await stopped.wait()
        log.info("Stopping")
        on_stop()
        for task in tasks:
            task.cancel()
        for server in servers.values():
            server.should_exit = True
        await asyncio.wait(serving)


async def _serve(server: Server, variable: str) -> None:
    """Serve until asked to exit.

    Raises:
        TemporaryError: the port is taken.
    """
    try:
        await server.serve()
    except SystemExit:  # how the server says that it could not listen; it has logged why
        config = server.config
        words = f"the API cannot listen on {config.host}:{config.port}; set {variable} to a free port"
        raise TemporaryError(words) from None


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
