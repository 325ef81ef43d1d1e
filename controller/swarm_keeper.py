"""`SwarmKeeper`: keeps declared services in the Swarm's own store, so that they outlive every replica."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from controller.declarations import DeclarationRefusedError
from controller.errors import SourceUnavailableError
from controller.sources.declared_configs import Declaration, Kept
from controller.sources.docker_api import DockerSource
from models.snapshot import SwarmService


class SwarmKeeper:
    """Keeps each service as a config object of the Swarm that ``docker`` manages; ``now`` gives the time."""

    def __init__(self, docker: DockerSource, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._docker = docker
        self._now = now
        self._turn = asyncio.Lock()

    async def put(self, name: str, labels: Mapping[str, str]) -> int:
        """Create a config object, then remove those that it replaces; see `Keeper.put`."""
        async with self._turn:
            try:
                return await self._put(name, dict(sorted(labels.items())))
            except SourceUnavailableError as error:
                raise DeclarationRefusedError(f"it cannot be kept in the Swarm: {error}") from error

    async def remove(self, name: str) -> bool:
        """Remove all config objects of the service; see `Keeper.remove`."""
        async with self._turn:
            try:
                known = await self._known(name)
                for kept in known:
                    await self._docker.remove_declared(kept.id)
            except SourceUnavailableError as error:
                raise DeclarationRefusedError(f"it cannot be removed from the Swarm: {error}") from error
            return bool(known)

    async def _put(self, name: str, labels: dict[str, str]) -> int:
        known = await self._without_leftovers(await self._known(name))
        services = [kept.service for kept in known if kept.service is not None]
        if not services or services[-1].labels != labels:
            created_at = min((service.created_at for service in services), default=self._now())
            await self._docker.create_declared(Declaration(name=name, labels=labels, created_at=created_at))
            known = await self._without_leftovers(await self._known(name))
        return _newest(known).version

    async def _without_leftovers(self, known: list[Kept]) -> list[Kept]:
        """Remove all but the newest."""
        for kept in known[:-1]:
            await self._docker.remove_declared(kept.id)
        return known[-1:]

    async def _known(self, name: str) -> list[Kept]:
        return [
            kept for kept in await self._docker.declared() if kept.service is not None and kept.service.name == name
        ]


def _newest(known: list[Kept]) -> SwarmService:
    service = known[-1].service if known else None
    if service is None:
        raise DeclarationRefusedError("the Swarm does not know it although it has just been kept: try again")
    return service
