"""Reading settings from the environment and from mounted secrets; a secret wins over a variable.

The variable ``STATS_USER`` may come as the secret ``dfp_stats_user``: any of them may. Source: DFP, "Secrets can be
used as a replacement for any of the environment variables".
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SecretsSettingsSource,
    SettingsConfigDict,
)

from controller.errors import PermanentError
from models.settings import ListenerSettings, ProxySettings, Settings
from models.settings.obsolete import OBSOLETE, obsolete_in
from models.settings.values import Mounted

SECRETS_DIR = Path("/run/secrets")
SECRET_PREFIX = "dfp_"  # noqa: S105 - the beginning of a name

NAMED_ELSEWHERE = ("stats_user", "stats_pass", "stats_uri")
"""Settings that may be in a variable of any name; ``stats_user_env`` tells which."""

S = TypeVar("S", bound=Settings)


class _Secrets(SecretsSettingsSource):
    """Secrets that hold nothing say nothing, just as empty variables; of some not the content is meant but the file."""

    def __call__(self) -> dict[str, Any]:
        given = {name: value for name, value in super().__call__().items() if value != ""}
        return given | {name: self._file(name) for name in given if _is_mounted(self.settings_cls.model_fields[name])}

    def _file(self, name: str) -> str:
        return str(Path(str(self.secrets_dir)).absolute() / f"{SECRET_PREFIX}{name}")


def _is_mounted(field: FieldInfo) -> bool:
    """Return whether a setting is where a file is."""
    kinds = (field.annotation, *get_args(field.annotation))
    return any(isinstance(item, Mounted) for kind in kinds for item in getattr(kind, "__metadata__", ()))


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
    return _read(_ReadProxySettings, secrets_dir, {**_named_elsewhere(secrets_dir, options), **options})


def _named_elsewhere(secrets_dir: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings whose values are in a variable or secret of another name, which a third one names.

    Source: DFP's ``STATS_USER_ENV``, ``STATS_PASS_ENV`` and ``STATS_URI_ENV``. Where nobody has set what is named
    there, DFP takes it for unset, whatever the usual variable says.
    """
    found = {}
    for setting in NAMED_ELSEWHERE:
        name = str(options.get(f"{setting}_env") or _given(f"{setting}_env".upper(), secrets_dir)).strip()
        if name and name.upper() != setting.upper():
            found[setting] = _given(name, secrets_dir) or ProxySettings.model_fields[setting].default
    return found


def _given(name: str, secrets_dir: Path) -> str:
    """Return what a secret, or else a variable, says; empty if neither does."""
    path = secrets_dir / f"{SECRET_PREFIX}{name.lower()}"
    is_plain = "/" not in name and path.is_file()
    return (_secret(name, path) if is_plain else "") or os.environ.get(name, "")


def notices(secrets_dir: Path = SECRETS_DIR) -> list[dict[str, str]]:
    """Return what to tell the operator about variables that have no effect: the fields of one message for each."""
    given = {name: _given(name, secrets_dir) for name in OBSOLETE}
    told = [{"variable": name, "why": each.why, "instead": each.instead} for name, each in obsolete_in(given)]
    for setting in map(str.upper, NAMED_ELSEWHERE):
        name = _given(f"{setting}_ENV", secrets_dir)
        if name not in {"", setting} and not _given(name, secrets_dir):
            why = f"it names {name}, and there is neither such a variable nor a secret {SECRET_PREFIX}{name.lower()}"
            told.append({"variable": f"{setting}_ENV", "why": why, "instead": f"set {name}"})
    return told


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
    text = "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)
    if not location:
        return text
    name = str(location[0])
    return f"the variable {name.upper()} (or secret {SECRET_PREFIX}{name}): {text[:1].lower()}{text[1:]}"
