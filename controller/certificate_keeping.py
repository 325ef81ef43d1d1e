"""Where certificates that are put through the API are kept: in the Swarm by way of the listeners, or in a folder."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

import structlog

from controller.certificates import SIDE_FILES
from controller.declarations import DeclarationRefusedError, Receipt
from controller.forwarding import ForwardingKeeper
from controller.sealing import Seal
from controller.sources.saved import write_private
from models.snapshot import StoredCertificate

log = structlog.get_logger()

_BAD_REQUEST = 400


class CertificateKeeper(Protocol):
    """Where certificates are kept by name, each with its key."""

    async def put(self, name: str, pem: str) -> Receipt:
        """Keep a certificate in place of what was kept by this name.

        Raises:
            DeclarationRefusedError: it cannot be kept.
        """

    async def remove(self, name: str) -> Receipt | None:
        """Forget a certificate; None if there was none.

        Raises:
            DeclarationRefusedError: it cannot be told whether it is forgotten.
        """


class FolderCertificates:
    """Keeps certificates as files of a folder that only their owner may read."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def put(self, name: str, pem: str) -> Receipt:
        """Keep a certificate in a file; see `CertificateKeeper.put`."""
        if name.endswith(SIDE_FILES):
            words = f"certName must not end in {', '.join(SIDE_FILES)}: HAProxy takes such files for something else"
            raise DeclarationRefusedError(words, status=_BAD_REQUEST)
        try:
            await asyncio.to_thread(write_private, self._folder / name, pem.encode())
        except OSError as error:
            raise DeclarationRefusedError(f"it cannot be kept in {self._folder}: {error.strerror}") from error
        return Receipt()

    async def remove(self, name: str) -> Receipt | None:
        """Remove the file; see `CertificateKeeper.remove`."""
        try:
            await asyncio.to_thread((self._folder / name).unlink)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DeclarationRefusedError(f"it cannot be removed from {self._folder}: {error.strerror}") from error
        return Receipt()


class SwarmCertificates:
    """Has certificates kept in the Swarm, sealed; what a folder has from a time without listeners goes as well.

    ``now`` gives the time.
    """

    def __init__(
        self,
        listeners: ForwardingKeeper,
        seal: Seal,
        folder: FolderCertificates,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._listeners = listeners
        self._seal = seal
        self._folder = folder
        self._now = now

    async def put(self, name: str, pem: str) -> Receipt:
        """Seal a certificate and have it kept; see `CertificateKeeper.put`."""
        is_sealed = self._seal.is_there
        if not is_sealed:
            log.warning(
                "Certificate kept with its key unsealed: there is no LISTENER_TOKEN and no API_TOKEN to seal it with",
                certificate=name,
            )
        content = self._seal.close(name, pem) if is_sealed else pem
        certificate = StoredCertificate(name=name, content=content, sealed=is_sealed, put_at=self._now())
        return await self._listeners.put_certificate(certificate)

    async def remove(self, name: str) -> Receipt | None:
        """Have a certificate forgotten; see `CertificateKeeper.remove`."""
        kept = await self._listeners.remove_certificate(name)
        of_old = await self._folder.remove(name)
        return kept or of_old
