"""Reading settings from the environment and from mounted secrets; a secret wins over a variable.

The variable ``STATS_USER`` may come as the secret ``dfp_stats_user``: any of them may. Source: DFP, "Secrets can be
used as a replacement for any of the environment variables".
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from controller.errors import PermanentError
from models.settings import ListenerSettings, ProxySettings, Settings

SECRETS_DIR = Path("/run/secrets")
SECRET_PREFIX = "dfp_"  # noqa: S105 - the beginning of a name

S = TypeVar("S", bound=Settings)


class _Secrets(SecretsSettingsSource):
    """Secrets that hold nothing say nothing, just as empty variables."""

    def __call__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__call__().items() if value != ""}


class _Read(BaseSettings):
    """Adds to a settings model where its values come from."""

    model_config = SettingsConfigDict(enable_decoding=False, extra="ignore", env_ignore_empty=True)

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - the signature is pydantic-settings'
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        given = init_settings.init_kwargs if isinstance(init_settings, InitSettingsSource) else {}
        folder = Path(given.pop("secrets_dir", SECRETS_DIR))
        secrets = _Secrets(settings_cls, secrets_dir=folder, env_prefix=SECRET_PREFIX)
        return (init_settings, *((secrets,) if folder.is_dir() else ()), env_settings)


class _ReadProxySettings(ProxySettings, _Read):  # type: ignore[misc]  # the configurations are merged at run time
    pass


class _ReadListenerSettings(ListenerSettings, _Read):  # type: ignore[misc]  # likewise
    pass


def proxy_settings(*, secrets_dir: Path = SECRETS_DIR, **options: Any) -> ProxySettings:  # noqa: ANN401 - any setting
    """Return the proxy's settings; ``options`` win over secrets, secrets over variables.

    Raises:
        PermanentError: a value does not parse; the message names the variable.
    """
    return _read(_ReadProxySettings, secrets_dir, options)


def listener_settings(*, secrets_dir: Path = SECRETS_DIR, **options: Any) -> ListenerSettings:  # noqa: ANN401
    """Return the listener's settings, likewise."""
    return _read(_ReadListenerSettings, secrets_dir, options)


def service_variables(environment: Mapping[str, str], secrets_dir: Path = SECRETS_DIR) -> dict[str, str]:
    """Return the variables that declare services, those given as secrets ``dfp_service_*`` included, which win.

    The secret ``dfp_service_name`` is the setting ``SERVICE_NAME``, so a service cannot be named by it.
    """
    secrets = {
        path.name.upper(): path
        for path in secrets_dir.glob(f"{SECRET_PREFIX}service_*")
        if path.name != f"{SECRET_PREFIX}service_name" and path.is_file()
    }
    return dict(environment) | {name: _secret(name, path) for name, path in secrets.items()}


def _secret(name: str, path: Path) -> str:
    """Return what a secret says, without the line break at its end.

    Raises:
        PermanentError: it cannot be read.
    """
    try:
        return path.read_text(encoding="utf-8").rstrip("\r\n")
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"the secret {name.lower()} cannot be read: {type(error).__name__}") from None


def _read(model: type[S], secrets_dir: Path, options: dict[str, Any]) -> S:
    given = {name: value for name, value in options.items() if value is not None}
    try:
        return model(secrets_dir=secrets_dir, **given)  # type: ignore[call-arg]  # consumed by the sources
    except ValidationError as error:
        lines = [_explain(item["loc"], item["msg"]) for item in error.errors(include_url=False, include_input=False)]
        raise PermanentError("; ".join(lines)) from None


def _explain(location: tuple[int | str, ...], message: str) -> str:
    text = message.removeprefix("Value error, ")
    if not location:
        return text
    name = str(location[0])
    return f"the variable {name.upper()} (or secret {SECRET_PREFIX}{name}): {text[:1].lower()}{text[1:]}"
