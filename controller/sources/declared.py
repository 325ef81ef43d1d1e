"""`DeclaredSource`: another source's world, and the services that were declared to this proxy itself."""

from collections import deque
from collections.abc import Callable

from controller.sources.health import HealthySource
from models.declared import is_declared, joined
from models.snapshot import Snapshot, SwarmService

_REMEMBERED = 4


class DeclaredSource:
    """Adds to ``inner`` the services that ``declared`` returns, tuple by tuple; the inner ones win over equal names.

    An unchanged world is the very same object again.
    """

    def __init__(self, inner: HealthySource, *declared: Callable[[], tuple[SwarmService, ...]]) -> None:
        self._inner = inner
        self._declared = declared
        self._parts: tuple[Snapshot, tuple[tuple[SwarmService, ...], ...]] | None = None
        self._joined = Snapshot()
        self._recent: deque[tuple[Snapshot, Snapshot]] = deque(maxlen=_REMEMBERED)

    @property
    def last_success(self) -> float | None:
        """As of the inner source."""
        return self._inner.last_success

    @property
    def error(self) -> str | None:
        """As of the inner source."""
        return self._inner.error

    @property
    def world(self) -> Snapshot:
        """What was read last, with what was declared then."""
        return self._joined

    def owner_is_outside(self, name: str) -> bool:
        """Return whether a service of that name is there that was not declared through the API."""
        return any(service.name == name and not is_declared(service) for service in self._joined.services)

    def origin(self, snapshot: Snapshot) -> str:
        """Return the digest of the inner source's world that a recent snapshot was made from."""
        return next((world.digest for made, world in reversed(self._recent) if made.digest == snapshot.digest), "")

    async def snapshot(self) -> Snapshot:
        """Read the inner source now, and add what is declared.

        Raises:
            SourceUnavailableError: the inner source has nothing, not even of old.
        """
        world = await self._inner.snapshot()
        declared = tuple(services() for services in self._declared)
        if self._parts is None or self._parts[0] is not world or self._parts[1] != declared:
            self._joined, self._parts = joined(world, *declared), (world, declared)
            self._recent.append((self._joined, world))
        return self._joined

    async def watch(self, mark_dirty: Callable[[str], None]) -> None:
        """As the inner source does."""
        await self._inner.watch(mark_dirty)

    def doubt(self) -> None:
        """As the inner source does."""
        self._inner.doubt()

    async def close(self) -> None:
        """Close the inner source."""
        await self._inner.close()
