"""`Live`: tells open pages that there is something new, as server-sent events; what it is they then ask for.

An event is a line, and there is no queue: whoever reads slowly hears of the latest alone. The number of those who
listen is bounded, and each has to come again after a while; a page that is not let in looks by itself now and then.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

from controller.history import Entry
from controller.ui.facts import Facts

MOST_LISTENERS = 64
_LOOK = 2.0
"""Seconds after which what has no event of its own is looked at: whether the source can be read."""
_PAUSE = 0.5
"""Seconds between two events at least: a page needs not follow each step of a burst."""
_KEEP_ALIVE = 8
"""Looks without news after which something is sent all the same, or nobody would notice who is gone."""
_LONGEST = 600.0
"""Seconds that one connection may last."""
_MOST_NAMED = 3


class Live:
    """Streams of events, as many as there may be."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._listeners = 0
        self._is_closed = False

    @property
    def is_full(self) -> bool:
        """Whether nobody else can listen now."""
        return self._listeners >= MOST_LISTENERS or self._is_closed

    def close(self) -> None:
        """End all streams."""
        self._is_closed = True
        self._facts.history.changed.set()

    async def stream(self) -> AsyncIterator[bytes]:
        """Give events until the other side hangs up, or has to come again; nothing if nobody else can listen."""
        if self.is_full:
            return
        self._listeners += 1
        try:
            yield b"retry: 3000\n\n"
            async for event in self._events():
                yield event
        finally:
            self._listeners -= 1

    async def _events(self) -> AsyncIterator[bytes]:
        clock = asyncio.get_running_loop().time
        end, known, looks = clock() + _LONGEST, self._state(), 0
        while clock() < end and not self._is_closed:
            await self._news()
            state, looks = self._state(), looks + 1
            if state != known:
                yield self._event()
                await asyncio.sleep(_PAUSE)
            elif not looks % _KEEP_ALIVE:
                yield b": nothing new\n\n"
            known = state

    async def _news(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                await self._facts.history.changed.wait()

    def _state(self) -> tuple[object, ...]:
        readiness = self._facts.readiness()
        return self._facts.history.number, readiness.ready, readiness.message

    def _event(self) -> bytes:
        latest = next(iter(self._facts.history.entries), None)
        words = headline(latest) if latest else "The state of the proxy has changed"
        return f"event: change\ndata: {json.dumps({'words': words})}\n\n".encode()


def headline(entry: Entry) -> str:
    """Return what an entry tells in a few words, for those who hear it."""
    if entry.error:
        return "A reconcile failed"
    named = [f"{each.name} {each.verb}" for each in entry.services[:_MOST_NAMED]]
    others = len(entry.services) + entry.more_services - len(named)
    return ", ".join([*named, *([f"{others} more"] if others else [])]) or "Something changed that is no service"
