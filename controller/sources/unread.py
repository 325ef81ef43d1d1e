"""`Unread`: what of the Swarm may be different from what was read last, so that no more than that is read again.

It has nothing to do with how the Swarm is read, and decides nothing by itself: whoever is in doubt asks for everything.
Times are in the seconds of a monotonic clock.
"""

import math
from collections.abc import Iterable

from models.snapshot import Snapshot

CLOSEST_POLL = 0.05
"""Seconds between readings of a few services when an order was given just now: nodes hear of it within 0.1 s."""
CLOSE_POLL = 0.1
"""Seconds between readings of a few services while their tasks are coming and going, as they do at any moment."""
EACH = 0.002
"""Seconds for each of these services, if that is more: about a tenth of the time is spent with reading, at most."""
FAST_POLL = 1.0
"""Seconds between readings of many, and when most of what was to follow an event has followed."""
JUST_ORDERED = 1.0
JUST_STIRRED = 3.0
STIRRED = 15.0
"""Seconds after an event during which tasks are expected to follow at once, to follow soon, and to follow at all."""
MOST_SERVICES = 200
"""So many services are asked for one by one: with more, asking for everything is as cheap for the engine."""


class Unread:
    """Gathers what to read next: everything, as at the beginning, or some services by their ID."""

    def __init__(self) -> None:
        self._everything = True
        self._services: set[str] = set()

    def add(self, services: Iterable[str]) -> None:
        """Have these services read."""
        self._services.update(services)

    def add_everything(self) -> None:
        """Have everything read."""
        self._everything = True

    def take(self) -> frozenset[str] | None:
        """Return the IDs of the services to be read now, None for everything, and begin anew."""
        services = None if self._everything or len(self._services) > MOST_SERVICES else frozenset(self._services)
        self._everything, self._services = False, set()
        return services


class Stirred:
    """Remembers which services events were about, since tasks follow them without an event of their own."""

    def __init__(self) -> None:
        self._world = -math.inf
        self._services: dict[str, float] = {}

    def stir(self, service: str | None, now: float) -> None:
        """Note an event that has tasks come or go of the service with this ID, or of any (None)."""
        if service is None:
            self._world = now
        else:
            self._services[service] = now

    def since(self, now: float) -> float:
        """Return the seconds since the last event."""
        return now - max((self._world, *self._services.values()))

    def unsettled(self, snapshot: Snapshot, now: float) -> frozenset[str] | None:
        """Return the IDs of the services whose tasks may be coming and going, None if those of any may be."""
        self._services = {service: at for service, at in self._services.items() if now - at < STIRRED}
        if now - self._world < STIRRED:
            return None
        return snapshot.unsettled.union(self._services)


def poll_interval(
    snapshot: Snapshot, *, since_stirred: float, since_change: float, slow: float, services: int | None
) -> float:
    """Seconds until tasks should be read again, of so many ``services`` or of all (None).

    Very few while a rolling update runs or shortly after an event: a task that Swarm means to stop gets its signal a
    moment later. A service that lacks tasks starts the same way, but one that lacks them for long is stuck (an image
    that is missing, no node that fits) rather than converging: the longer nothing changes, the slower.
    """
    if services is not None and services <= MOST_SERVICES and (snapshot.updating or since_stirred < JUST_STIRRED):
        close = CLOSEST_POLL if since_stirred < JUST_ORDERED else CLOSE_POLL
        return min(max(close, services * EACH), slow)
    if snapshot.updating or since_stirred < STIRRED:
        return min(FAST_POLL, slow)
    if snapshot.unsettled:
        return min(slow, max(FAST_POLL, since_change / 10))
    return slow
