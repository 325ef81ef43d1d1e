"""Declaring services and putting certificates at the listener, which keeps them in the Swarm for all proxies."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, TypeVar

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field

from controller.declarations import DeclarationRefusedError, Receipt
from controller.http.answers.changes import Forgotten, Kept
from controller.http.answers.needs import JSON_BODY, TOKEN, VALID, described, need
from controller.http.proxy_api import CertificateName, Labels, ServiceName, with_prefix
from controller.http.writers import Writers
from controller.published import Published
from controller.swarm_keeper import SwarmKeeper
from models.declared import is_declared, is_service_name
from models.snapshot import Snapshot, StoredCertificate, SwarmService

R = TypeVar("R", Receipt, Receipt | None)

LARGEST_CONTENT = 256 * 1024
"""Characters of a certificate as it is kept; Swarm takes config objects of up to 500 kB."""
_NAME = need(400, "The name is none")
_THERE = need(404, "Nothing of that name is kept")
_FREE = need(409, "The service is declared by its own labels, which are to be changed instead")
_PUBLISHED = need(500, "It is done, but not published in time; it still will be")
_SWARM = need(503, "The Swarm cannot be asked to keep or forget it now; try again")


class SealedCertificate(BaseModel):
    """A certificate as a proxy hands it on: sealed, so that nobody else can read it, unless it had no token."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"content": "v1:...", "sealed": True, "put_at": "2026-01-01T00:00:00Z"}]}
    )

    content: Annotated[str, Field(min_length=1, max_length=LARGEST_CONTENT, repr=False)]
    sealed: bool
    put_at: datetime


@dataclass(frozen=True, slots=True)
class ListenerDeclaring:
    """Changes what is kept in the Swarm; the answer comes once it is published. ``limit`` is in seconds.

    The answer has the etag of a world that has the change, so that one can ask who has programmed it.
    """

    keeper: SwarmKeeper
    published: Published
    mark_dirty: Callable[[str], None]
    limit: float = 10.0

    async def declare(self, name: str, labels: dict[str, str]) -> Kept:
        """Keep a service; labels are judged by the proxies, which know how lists are to be read."""
        _check_name(name)
        if any(each.name == name and not is_declared(each) for each in _services(self.published.snapshot)):
            raise HTTPException(409, f"the service {name} is declared by its own labels: change those")
        version = (await _done(self.keeper.put(name, labels))).version
        await self._settle(lambda world: any(each.name == name and each.version >= version for each in world.services))
        return Kept(name=name, version=version, etag=self.published.etag)

    async def undeclare(self, name: str) -> Forgotten:
        """Forget a service."""
        if await _done(self.keeper.remove(name)) is None:
            raise HTTPException(404, f"no service {name} is declared through the API")
        await self._settle(lambda world: not any(each.name == name and is_declared(each) for each in world.services))
        return Forgotten(name=name, etag=self.published.etag)

    async def put_certificate(self, name: str, sealed: SealedCertificate) -> Kept:
        """Keep a certificate, which the proxy has checked."""
        _check_name(name)
        certificate = StoredCertificate(name=name, **sealed.model_dump())
        version = (await _done(self.keeper.put_certificate(certificate))).version
        await self._settle(
            lambda world: any(each.name == name and each.version >= version for each in world.certificates)
        )
        return Kept(name=name, version=version, etag=self.published.etag)

    async def remove_certificate(self, name: str) -> Forgotten:
        """Forget a certificate."""
        if await _done(self.keeper.remove_certificate(name)) is None:
            raise HTTPException(404, f"no certificate {name} was put through the API")
        await self._settle(lambda world: not any(each.name == name for each in world.certificates))
        return Forgotten(name=name, etag=self.published.etag)

    async def _settle(self, holds: Callable[[Snapshot], bool]) -> None:
        self.mark_dirty("what is declared has changed")
        if not await self.published.until(holds, limit=self.limit):
            raise HTTPException(500, f"it is kept, but not published after {self.limit:g} s; it still will be")


def add_listener_declaring(app: FastAPI, declaring: ListenerDeclaring, writers: Writers) -> None:
    """Add the paths to the listener's application."""
    allowed = [Depends(writers.require)]

    @app.put(
        "/v1/services/{name}",
        summary="Keep a service in the Swarm",
        dependencies=allowed,
        **described("It is kept and published", Kept, TOKEN, VALID, JSON_BODY, _NAME, _FREE, _PUBLISHED, _SWARM),
    )
    async def declare(name: ServiceName, labels: Labels) -> Kept:
        return await declaring.declare(name, with_prefix(labels))

    @app.delete(
        "/v1/services/{name}",
        summary="Forget a service kept in the Swarm",
        dependencies=allowed,
        **described("It is gone", Forgotten, TOKEN, _THERE, _PUBLISHED, _SWARM),
    )
    async def undeclare(name: ServiceName) -> Forgotten:
        return await declaring.undeclare(name)

    @app.put(
        "/v1/certificates/{name}",
        summary="Keep a certificate in the Swarm",
        dependencies=allowed,
        **described("It is kept and published", Kept, TOKEN, VALID, JSON_BODY, _NAME, _PUBLISHED, _SWARM),
    )
    async def put_certificate(name: CertificateName, sealed: SealedCertificate) -> Kept:
        return await declaring.put_certificate(name, sealed)

    @app.delete(
        "/v1/certificates/{name}",
        summary="Forget a certificate kept in the Swarm",
        dependencies=allowed,
        **described("It is gone", Forgotten, TOKEN, _THERE, _PUBLISHED, _SWARM),
    )
    async def remove_certificate(name: CertificateName) -> Forgotten:
        return await declaring.remove_certificate(name)


async def _done(change: Awaitable[R]) -> R:
    try:
        return await change
    except DeclarationRefusedError as error:
        raise HTTPException(error.status, str(error)) from error


def _check_name(name: str) -> None:
    if not is_service_name(name):
        raise HTTPException(400, "the name must be letters, digits, '_', '.' and '-'")


def _services(snapshot: Snapshot | None) -> tuple[SwarmService, ...]:
    return snapshot.services if snapshot else ()
