"""Where a proxy reads its world and its certificates from, by its settings; and what declares more to it.

Of the sources only the one that is used is imported: a start need not wait for the others.
"""

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import structlog

from controller.asked import Word
from controller.certificates import CertificateStore
from controller.declarations import FileKeeper, Keeper
from controller.environment import service_variables
from controller.places import declared_in
from controller.sealing import Seal
from controller.sources.declared import DeclaredSource
from controller.sources.health import HealthySource
from models.declared import read_variables
from models.settings import ProxySettings, Settings

if TYPE_CHECKING:
    from controller.sources.listener import ListenerSource

log = structlog.get_logger()


def source_of(settings: ProxySettings, word: Word, *, reports: bool = True) -> HealthySource:
    """Return the first source that applies: a stack file, listeners, or the Docker API.

    ``word`` is what listeners ask back for; with ``reports`` they are told what this replica has programmed.
    """
    if settings.stack_file is not None:
        from controller.sources.stack_file import StackFileSource  # noqa: PLC0415

        return StackFileSource(settings.stack_file, notify_label=settings.df_notify_label)
    if settings.listener_address:
        from controller.channel import ChannelFiles  # noqa: PLC0415
        from controller.sources.listener import ListenerSource  # noqa: PLC0415

        token = settings.listener_token.get_secret_value() if settings.listener_token else None
        replica = replica_of(settings) if reports else ""
        return ListenerSource(
            settings.listener_address,
            token=token,
            replica=replica,
            word=word.text,
            channel=ChannelFiles.of(settings),
            state_dir=settings.state_dir,
        )
    from controller.sources.docker_api import DockerSource  # noqa: PLC0415

    return DockerSource(settings.docker_host, settings.df_notify_label)


def listeners_among(source: HealthySource, settings: ProxySettings) -> "ListenerSource | None":
    """Return the source that `source_of` has chosen, if it is that of listeners."""
    if not settings.listener_address:
        return None
    from controller.sources.listener import ListenerSource  # noqa: PLC0415

    return source if isinstance(source, ListenerSource) else None


def certificates_of(settings: ProxySettings, secrets_dir: Path) -> CertificateStore:
    """Return where the certificates are read."""
    return CertificateStore(
        settings.certs_dir,
        secrets_dir,
        settings.state_dir,
        seal=seal_of(settings),
        ca_file=settings.ca_file,
        crt_list=settings.crt_list_path,
    )


@dataclass(frozen=True, slots=True)
class Declarations:
    """What is declared to this proxy: the source that adds it, and where the API keeps it."""

    source: DeclaredSource
    keeper: Keeper
    listeners: "ListenerSource | None" = None

    async def close(self) -> None:
        """Close the source, and what the keeper has open."""
        await self.keeper.close()
        await self.source.close()


def read_declarations(
    inner: HealthySource,
    settings: ProxySettings,
    environment: Mapping[str, str],
    secrets_dir: Path,
    *,
    listeners: "ListenerSource | None",
) -> Declarations:
    """Return the source with what variables declare, and what was declared through the API.

    With listeners, these keep what the API declares; without, a file does.
    """
    found = read_variables(service_variables(environment, secrets_dir))
    for problem in found.problems:
        log.warning("Service in variables refused", variable=problem.label, problem=problem.text)
    if listeners is not None:
        from controller.channel import ChannelFiles  # noqa: PLC0415
        from controller.forwarding import ForwardingKeeper  # noqa: PLC0415

        keeper = ForwardingKeeper(settings.listener_address, settings.api_token, channel=ChannelFiles.of(settings))
        return Declarations(DeclaredSource(inner, lambda: found.services), keeper, listeners)
    file = FileKeeper(declared_in(settings.state_dir))
    return Declarations(DeclaredSource(inner, lambda: file.services, lambda: found.services), file)


def replica_of(settings: ProxySettings) -> str:
    """Return what a proxy is called: its port tells it from others of its machine, and stays after a restart."""
    return f"{socket.gethostname()}:{settings.port}"


def seal_of(settings: Settings) -> Seal:
    """Return what certificates are sealed with: a token that all proxies share, and that listeners need not have."""
    return Seal(settings.listener_token, settings.api_token)
