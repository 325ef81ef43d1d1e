"""Where a proxy reads its world and its certificates from, by its settings."""

from pathlib import Path

from controller.asked import Word
from controller.certificates import CertificateStore
from controller.channel import ChannelFiles
from controller.interfaces import replica_of, seal_of
from controller.sources.docker_api import DockerSource
from controller.sources.health import HealthySource
from controller.sources.listener import ListenerSource
from controller.sources.stack_file import StackFileSource
from models.settings import ProxySettings


def source_of(settings: ProxySettings, word: Word, *, reports: bool = True) -> HealthySource:
    """Return the first source that applies: a stack file, listeners, or the Docker API.

    ``word`` is what listeners ask back for; with ``reports`` they are told what this replica has programmed.
    """
    if settings.stack_file is not None:
        return StackFileSource(settings.stack_file, notify_label=settings.df_notify_label)
    if settings.listener_address:
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
    return DockerSource(settings.docker_host, settings.df_notify_label)


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
