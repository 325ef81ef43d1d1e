"""Keeping the services that are declared through the API: desired state like any other, in a store of its own.

Where there is a listener, it keeps them in the Swarm (`controller.forwarding`); without one, they are in a file here.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import ValidationError

from controller.errors import SwarmgateError
from controller.sources.saved import write_private
from models.declared import DECLARED_ID, declared_service
from models.snapshot import Snapshot, SwarmService

_log = structlog.get_logger()


class DeclarationRefusedError(SwarmgateError):
    """A declaration could not be kept; ``status`` is the HTTP status that says so."""

    def __init__(self, message: str, *, status: int = 503) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True)
class Receipt:
    """What has been changed: the ``version`` that it will appear with, 0 if it is gone.

    ``published`` has, by the URL of each listener that knows of the change, the etag of a world that has it.
    """

    version: int = 0
    published: Mapping[str, str] = field(default_factory=dict)


class Keeper(Protocol):
    """Where declared services are kept."""

    async def put(self, name: str, labels: Mapping[str, str]) -> Receipt:
        """Keep a service, in place of what was kept by this name.

        Raises:
            DeclarationRefusedError: it cannot be kept.
        """

    async def remove(self, name: str) -> Receipt | None:
        """Forget a service; None if there was none.

        Raises:
            DeclarationRefusedError: it cannot be told whether it is forgotten.
        """

    async def close(self) -> None:
        """Let go of what is open."""


class FileKeeper:
    """Keeps services in the file at ``path``, which only its owner may read: labels may hold passwords.

    ``on_change`` is called with a reason after each change. ``now`` gives the time.
    """

    def __init__(
        self,
        path: Path,
        on_change: Callable[[str], None] = lambda _reason: None,
        *,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._path = path
        self.on_change = on_change
        self._now = now
        self._turn = asyncio.Lock()
        self._services = {service.name: service for service in _load(path)}

    @property
    def services(self) -> tuple[SwarmService, ...]:
        """Everything that is kept, sorted by name."""
        return tuple(self._services[name] for name in sorted(self._services))

    async def put(self, name: str, labels: Mapping[str, str]) -> Receipt:
        """Keep a service on disk; see `Keeper.put`."""
        async with self._turn:
            known = self._services.get(name)
            if known is not None and known.labels == dict(labels):
                return Receipt(known.version)
            now = self._now()
            service = declared_service(
                name,
                labels,
                id_=DECLARED_ID + name,
                version=max(int(now.timestamp() * 1000), known.version + 1 if known else 0),
                created_at=known.created_at if known else now,
            )
            await self._save({**self._services, name: service})
            return Receipt(service.version)

    async def remove(self, name: str) -> Receipt | None:
        """Forget a service, on disk too; see `Keeper.remove`."""
        async with self._turn:
            if name not in self._services:
                return None
            await self._save({known: service for known, service in self._services.items() if known != name})
            return Receipt()

    async def close(self) -> None:
        """Nothing is kept open."""

    async def _save(self, services: dict[str, SwarmService]) -> None:
        content = Snapshot(services=tuple(services[name] for name in sorted(services))).model_dump_json().encode()
        try:
            await asyncio.to_thread(write_private, self._path, content)
        except OSError as error:
            raise DeclarationRefusedError(f"it cannot be kept in {self._path}: {error.strerror}") from error
        self._services = services
        self.on_change("a service was declared or undeclared")


def _load(path: Path) -> tuple[SwarmService, ...]:
    try:
        return Snapshot.model_validate_json(path.read_bytes(), extra="ignore").services
    except FileNotFoundError:
        return ()
    except (OSError, ValidationError) as error:
        # The text of a validation error would quote the file, which may hold passwords.
        _log.error("Declared services cannot be read", path=str(path), error=type(error).__name__)
        _put_aside(path)
        return ()


def _put_aside(path: Path) -> None:
    """Keep a file that cannot be understood from being overwritten by the next declaration."""
    with suppress(OSError):
        path.replace(path.with_suffix(".unusable"))
