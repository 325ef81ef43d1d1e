"""`SwarmKeeper`: keeps services and certificates in the Swarm's own store, so that they outlive every replica."""

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from controller.declarations import DeclarationRefusedError, Receipt
from controller.errors import SourceUnavailableError
from controller.sources.declared_configs import Declaration, Kept, NewConfig, config_of_certificate, config_of_service
from controller.sources.docker_api import DockerSource
from models.snapshot import StoredCertificate


class SwarmKeeper:
    """Keeps each as a config object of the Swarm that ``docker`` manages; ``now`` gives the time."""

    def __init__(self, docker: DockerSource, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._docker = docker
        self._now = now
        self._turn = asyncio.Lock()

    async def put(self, name: str, labels: Mapping[str, str]) -> Receipt:
        """Create a config object, then remove those that it replaces; see `Keeper.put`."""

        def replacement(known: list[Kept]) -> NewConfig | None:
            services = [kept.service for kept in known if kept.service is not None]
            if services and services[-1].labels == dict(labels):
                return None
            created_at = min((service.created_at for service in services), default=self._now())
            declaration = Declaration(name=name, labels=dict(sorted(labels.items())), created_at=created_at)
            return config_of_service(declaration)

        return await self._put(lambda kept: _is_service(kept, name), replacement)

    async def remove(self, name: str) -> Receipt | None:
        """Remove all config objects of the service; see `Keeper.remove`."""
        return await self._remove(lambda kept: _is_service(kept, name))

    async def put_certificate(self, certificate: StoredCertificate) -> Receipt:
        """Keep a certificate in place of what was kept by its name.

        Raises:
            DeclarationRefusedError: it cannot be kept.
        """

        def replacement(known: list[Kept]) -> NewConfig | None:
            certificates = [kept.certificate for kept in known if kept.certificate is not None]
            last = certificates[-1] if certificates else None
            if last is not None and (last.content, last.sealed) == (certificate.content, certificate.sealed):
                return None
            return config_of_certificate(certificate)

        return await self._put(lambda kept: _is_certificate(kept, certificate.name), replacement)

    async def remove_certificate(self, name: str) -> Receipt | None:
        """Forget a certificate; None if there was none.

        Raises:
            DeclarationRefusedError: it cannot be told whether it is forgotten.
        """
        return await self._remove(lambda kept: _is_certificate(kept, name))

    async def _put(
        self, is_meant: Callable[[Kept], bool], replacement: Callable[[list[Kept]], NewConfig | None]
    ) -> Receipt:
        """Make the config object that is to replace those that are meant, unless the newest one says the same."""
        async with self._turn:
            try:
                known = await self._known(is_meant)
                config = replacement(known)
                if config is not None:
                    await self._docker.keep(config)
                    known = await self._known(is_meant)
                for kept in known[:-1]:
                    await self._docker.forget(kept.id)
            except SourceUnavailableError as error:
                raise DeclarationRefusedError(f"it cannot be kept in the Swarm: {error}") from error
        if not known:
            raise DeclarationRefusedError("the Swarm does not know it although it has just been kept: try again")
        return Receipt(_version(known[-1]))

    async def _remove(self, is_meant: Callable[[Kept], bool]) -> Receipt | None:
        async with self._turn:
            try:
                known = await self._known(is_meant)
                for kept in known:
                    await self._docker.forget(kept.id)
            except SourceUnavailableError as error:
                raise DeclarationRefusedError(f"it cannot be removed from the Swarm: {error}") from error
        return Receipt() if known else None

    async def _known(self, is_meant: Callable[[Kept], bool]) -> list[Kept]:
        return [kept for kept in await self._docker.kept() if is_meant(kept)]


def _is_service(kept: Kept, name: str) -> bool:
    return kept.service is not None and kept.service.name == name


def _is_certificate(kept: Kept, name: str) -> bool:
    return kept.certificate is not None and kept.certificate.name == name


def _version(kept: Kept) -> int:
    inside = kept.service or kept.certificate
    return inside.version if inside is not None else 0
