"""Blocking work beside the event loop, in threads that can neither pile up unseen nor hold up the end of the process.

`asyncio.to_thread` shares one pool, whose threads the interpreter waits for when it ends: one read from a hanging
engine would keep a replica from stopping. These threads are daemons, and whoever starts one can see it.
"""

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Generic, TypeVar

T = TypeVar("T")


class Work(Generic[T]):
    """A call running in a thread of its own; await `result`, once, for what it returns or raises.

    Giving up on the result does not stop the call: ask ``is_running``. Must be created inside an event loop.
    An error that was raised is not kept: it knows the frames that know this object, and the two of them would stay,
    with all that the call had open, until the search for reference cycles, which is seldom.
    """

    def __init__(self, call: Callable[[], T], *, name: str) -> None:
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._call = call
        self._values: list[T] = []
        self._errors: list[BaseException] = []
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
        """Wait for the call, and hand over what it returned; what it raised is raised here."""
        await asyncio.shield(self._done)
        if self._errors:
            raise self._errors.pop()
        return self._values.pop()

    async def ended(self, within: float) -> bool:
        """Wait up to ``within`` seconds for the end of the call, whatever its result; True if it ended."""
        await asyncio.wait({self._done}, timeout=within)
        if self.is_done:
            self._thread.join(within)
        return not self.is_running

    def _run(self) -> None:
        try:
            self._values.append(self._call())
        except BaseException as error:  # noqa: BLE001  it is raised where the result is awaited
            # Without this frame, which knows this object.
            self._errors.append(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        with suppress(RuntimeError):  # The loop has ended before the call did: nobody is left to tell.
            self._loop.call_soon_threadsafe(self._end)

    def _end(self) -> None:
        if not self._done.done():
            self._done.set_result(None)
