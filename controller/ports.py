"""The edges of the controller as protocols: where worlds come from, and what is converged to them."""

from collections.abc import Callable
from typing import Protocol

from controller.changes import Applied, Plan
from models.observed import Observed
from models.snapshot import Snapshot
from render.files import Rendered


class Source(Protocol):
    """Where the world comes from: the Docker API, a listener, or a stack file."""

    async def snapshot(self) -> Snapshot:
        """Read the whole world now.

        Raises:
            SourceUnavailableError: it cannot be read, or not in full; half a world is never returned.
        """

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """Call ``mark_dirty`` with a short reason whenever the world may have changed, for ever.

        It only ever means "look again": losing a call costs time, never correctness. Survives every fault of
        the other side by itself; ends only when it is cancelled.
        """


class Dataplane(Protocol):
    """The HAProxy beside this controller."""

    async def observe(self) -> Observed:
        """Ask HAProxy what it runs; `NOT_RUNNING` if there is none.

        Raises:
            TemporaryError: HAProxy is there but does not answer.
        """

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        """Write the files, then bring about what the plan says.

        Raises:
            ConfigRejectedError: HAProxy refuses the files, which are put back; it serves as before, except that runtime
                changes before a refused one stay in force.
            TemporaryError: HAProxy does not answer.
        """

    async def check(self, rendered: Rendered) -> None:
        """Ask HAProxy whether it would load the files; nothing changes.

        Raises:
            ConfigRejectedError: it would not.
            TemporaryError: it does not say so in time.
        """
