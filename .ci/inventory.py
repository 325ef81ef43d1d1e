"""Tells, run by the Python in an image, what the image is made of: as JSON, on standard output."""

import json
import platform
import re
import subprocess
from importlib.metadata import distributions
from pathlib import Path

FORMAT = "${binary:Package}\t${Version}\t${Architecture}\t${db:Status-Status}\n"


def told(*command: str) -> str:
    """Return what a command prints."""
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603


packages = (line.split("\t") for line in told("dpkg-query", "--show", "--showformat", FORMAT).splitlines())
release = Path("/etc/os-release").read_text(encoding="utf-8")
folders = [str(path) for path in Path("/opt/swarmgate/lib").glob("python3*/site-packages")]
found = {
    "debian": re.search(r'^VERSION_ID="?([^"\n]+)', release, re.MULTILINE)[1],
    "packages": [package[:3] for package in packages if package[3] == "installed"],
    "haproxy": re.search(r"version (\S+)", told("haproxy", "-v"))[1],
    "python": platform.python_version(),
    "distributions": [[each.name, each.version] for each in distributions(path=folders)],
}
print(json.dumps(found))  # noqa: T201 - a script
