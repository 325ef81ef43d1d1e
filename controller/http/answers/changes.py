"""Bodies that say what became of a change."""

from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.conditions import Condition


class Outcome(Frozen):
    """What became of a service or certificate that was put or removed at a proxy."""

    name: str
    message: str
    problems: Annotated[tuple[str, ...], Field(description="What is wrong with its labels, each by itself.")] = ()
    converging: Annotated[tuple[str, ...], Field(description="Replicas that have not programmed it yet.")] = ()
    conditions: tuple[Condition, ...] = ()


class Kept(Frozen):
    """What the Swarm keeps now; ``etag`` is that of a world that has it."""

    name: str
    version: Annotated[int, Field(description="Swarm's version index of what keeps it.")]
    etag: str


class Forgotten(Frozen):
    """What the Swarm keeps no more; ``etag`` is that of a world without it."""

    name: str
    etag: str
