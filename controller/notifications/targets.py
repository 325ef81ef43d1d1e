"""Where notifications go: DFSL's variables and secrets as a list of targets."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Literal, NamedTuple
from urllib.parse import parse_qsl, urlsplit

from controller.errors import PermanentError
from models.settings import ListenerSettings

Kind = Literal["service", "node"]
Action = Literal["create", "remove"]


@dataclass(frozen=True, slots=True)
class Target:
    """One URL, what it is to be told of, and how. Its query may hold a secret, so only ``shown`` is for logs."""

    kind: Kind
    action: Action
    url: str = field(repr=False)
    method: str = "GET"

    @property
    def shown(self) -> str:
        """The URL without user, password and query."""
        parts = urlsplit(self.url)
        host = parts.hostname or ""
        return f"{parts.scheme}://{host}{f':{parts.port}' if parts.port else ''}{parts.path}"

    @property
    def query(self) -> dict[str, str]:
        """The arguments that the URL itself has."""
        return dict(parse_qsl(urlsplit(self.url).query, keep_blank_values=True))


class _Variable(NamedTuple):
    name: str
    kind: Kind
    action: Action
    former: tuple[str, ...] = ()
    method: str = ""


_VARIABLES = (
    _Variable(
        "df_notify_create_service_url",
        "service",
        "create",
        ("df_notif_create_service_url", "df_notification_url"),
        "df_notify_create_service_method",
    ),
    _Variable(
        "df_notify_remove_service_url",
        "service",
        "remove",
        ("df_notif_remove_service_url", "df_notification_url"),
        "df_notify_remove_service_method",
    ),
    _Variable("df_notify_create_node_url", "node", "create"),
    _Variable("df_notify_remove_node_url", "node", "remove"),
)


def read_targets(settings: ListenerSettings, secrets_dir: Path) -> tuple[Target, ...]:
    """Return all targets; former names of a variable count where the present one is not set, secrets in addition.

    Raises:
        PermanentError: something is no URL; the message names the variable.
    """
    return tuple(target for variable in _VARIABLES for target in _targets(variable, settings, secrets_dir))


def _targets(variable: _Variable, settings: ListenerSettings, secrets_dir: Path) -> Iterator[Target]:
    names = (variable.name, *variable.former)
    configured = next((urls for name in names if (urls := getattr(settings, name))), ())
    urls = dict.fromkeys((*configured, *_secret(secrets_dir / variable.name)))
    methods = getattr(settings, variable.method) if variable.method else ()
    last = methods[-1] if methods else "GET"
    for url, method in zip_longest(urls, methods[: len(urls)], fillvalue=last):
        if not _is_url(url):
            raise PermanentError(
                f"the variable {variable.name.upper()} (or secret {variable.name}) has an item that is no URL"
            )
        yield Target(variable.kind, variable.action, url, method)


def _secret(path: Path) -> list[str]:
    if not path.is_file():
        return []
    return [url.strip() for url in path.read_text(encoding="utf-8").split(",") if url.strip()]


def _is_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
