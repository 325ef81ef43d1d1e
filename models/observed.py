"""`Observed`: what the HAProxy beside this controller runs, as HAProxy itself tells it.

Nothing here is remembered from what was sent: a controller that was killed half-way finds the truth again by
asking. What HAProxy cannot tell directly (which profile a backend was made from, which configuration a
worker has loaded) it keeps for us in two map files, see `render.records`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Capability(StrEnum):
    """What the running HAProxy can change without a reload, found out by asking it (``help`` on its socket)."""

    DYNAMIC_SERVERS = "dynamic servers"
    """``add server``, ``del server``: HAProxy 2.6 and later."""
    DYNAMIC_BACKENDS = "dynamic backends"
    """``add backend``, ``publish backend``, ``del backend``: HAProxy 3.4 and later."""
    WAIT = "wait"
    """``wait <delay> srv-removable``: HAProxy 3.0 and later."""


@dataclass(frozen=True, slots=True)
class ObservedServer:
    """A server: its address and whether it takes new connections (Management guide 9.3, ``show servers state``)."""

    address: str
    port: int
    ready: bool = True


@dataclass(frozen=True, slots=True)
class Observed:
    """The running state; ``running=False`` (and all else empty) when there is no HAProxy to ask.

    ``maps`` are the entries by map file name (``maps/prefix.map``), the record maps included. ``backends``
    are those HAProxy has, by name, whether or not we know of them, each with its servers by name.
    """

    running: bool
    version: str = ""
    capabilities: frozenset[Capability] = frozenset()
    maps: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    backends: Mapping[str, Mapping[str, ObservedServer]] = field(default_factory=dict)


NOT_RUNNING = Observed(running=False)
