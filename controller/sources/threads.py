"""Blocking work beside the event loop, in threads that can neither pile up unseen nor hold up the end of the process.

`asyncio.to_thread` shares one pool, whose threads the interpreter waits for when it ends: one read from a hanging
engine would keep a replica from stopping. These threads are daemons, and whoever starts one can see it.
"""

import asyncio
import threading
from collections.abc import Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Work(Generic[T]):
    """A call running in a thread of its own; await `result` for what it returns or raises.

    Giving up on the result does not stop the call: ask ``is_running``. Must be created inside an event loop.
    """

    def __init__(self, call: Callable[[], T], *, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[T] = self._loop.create_future()
        self._call = call
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    @property
    def is_running(self) -> bool:
        """True as long as the thread is there."""
        return self._thread.is_alive()

    @property
    def is_done(self) -> bool:
        """True as soon as there is a result, which may be a moment before the thread is gone."""
        return self._done.done()

    async def result(self) -> T:
        """Wait for the call; what it raises is raised here."""
        return await asyncio.shield(self._done)

    async def ended(self, within: float) -> bool:
        """Wait up to ``within`` seconds for the end of the call, whatever its result; True if it ended."""
        await asyncio.wait({self._done}, timeout=within)
        if self._done.done():
            self._thread.join(within)
            self._done.exception()  # Taken note of: nobody else may be waiting for it.
        return not self.is_running

    def _run(self) -> None:
        try:
            value = self._call()
        except BaseException as error:  # noqa: BLE001  it is raised where the result is awaited
            self._tell(self._fail, error)
        else:
            self._tell(self._succeed, value)

    def _tell(self, settle: Callable[..., None], value: object) -> None:
        try:
            self._loop.call_soon_threadsafe(settle, value)
        except RuntimeError:
            return  # The loop has ended before the call did: nobody is left to tell.

    def _succeed(self, value: T) -> None:
        if not self._done.done():
            self._done.set_result(value)

    def _fail(self, error: BaseException) -> None:
        if not self._done.done():
            self._done.set_exception(error)
            self._done.exception()  # If nobody awaits it any more, that is no reason to complain.
