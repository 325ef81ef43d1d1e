"""Declaring services at the listener, which keeps them in the Swarm, so that all proxies get them."""

from collections.abc import Callable
from dataclasses import dataclass

from fastapi import Depends, FastAPI, HTTPException

from controller.declarations import DeclarationRefusedError, Keeper
from controller.http.proxy_api import Labels, with_prefix
from controller.http.writers import Writers
from controller.published import Published
from models.declared import is_declared, is_service_name
from models.snapshot import Snapshot, SwarmService


@dataclass(frozen=True, slots=True)
class ListenerDeclaring:
    """Changes what is kept in the Swarm; the answer comes once it is published. ``limit`` is in seconds."""

    keeper: Keeper
    published: Published
    mark_dirty: Callable[[str], None]
    limit: float = 10.0

    async def declare(self, name: str, labels: dict[str, str]) -> dict[str, str | int]:
        """Keep a service; labels are judged by the proxies, which know how lists are to be read."""
        if not is_service_name(name):
            raise HTTPException(400, "the name must be letters, digits, '_', '.' and '-'")
        if any(each.name == name and not is_declared(each) for each in _services(self.published.snapshot)):
            raise HTTPException(409, f"the service {name} is declared by its own labels: change those")
        try:
            version = await self.keeper.put(name, labels)
        except DeclarationRefusedError as error:
            raise HTTPException(error.status, str(error)) from error
        await self._settle(lambda world: any(each.name == name and each.version >= version for each in world.services))
        return {"name": name, "version": version}

    async def undeclare(self, name: str) -> dict[str, str | int]:
        """Forget a service."""
        try:
            was_there = await self.keeper.remove(name)
        except DeclarationRefusedError as error:
            raise HTTPException(error.status, str(error)) from error
        if not was_there:
            raise HTTPException(404, f"no service {name} is declared through the API")
        await self._settle(lambda world: not any(each.name == name and is_declared(each) for each in world.services))
        return {"name": name}

    async def _settle(self, holds: Callable[[Snapshot], bool]) -> None:
        self.mark_dirty("what is declared has changed")
        if not await self.published.until(holds, limit=self.limit):
            raise HTTPException(500, f"it is kept, but not published after {self.limit:g} s; it still will be")


def add_listener_declaring(app: FastAPI, declaring: ListenerDeclaring, writers: Writers) -> None:
    """Add the paths to the listener's application."""
    allowed = [Depends(writers.require)]

    @app.put("/v1/services/{name}", summary="Keep a service in the Swarm", dependencies=allowed)
    async def declare(name: str, labels: Labels) -> dict[str, str | int]:
        return await declaring.declare(name, with_prefix(labels))

    @app.delete("/v1/services/{name}", summary="Forget a service kept in the Swarm", dependencies=allowed)
    async def undeclare(name: str) -> dict[str, str | int]:
        return await declaring.undeclare(name)


def _services(snapshot: Snapshot | None) -> tuple[SwarmService, ...]:
    return snapshot.services if snapshot else ()
