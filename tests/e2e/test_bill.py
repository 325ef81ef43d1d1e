"""``make sbom`` for the real image: what it tells of itself is all there."""

import json
import subprocess
import sys

import pytest
from e2e.bench import IMAGE, ROOT, Swarm

pytestmark = [pytest.mark.swarm, pytest.mark.timeout(120)]


def test_the_bill_lists_what_is_in_the_image(swarm: Swarm) -> None:
    """Every package of Debian, every one of Python in the version that is locked, and the HAProxy that it runs."""
    run = ("run", "--rm", "--interactive", "--entrypoint")
    command = [sys.executable, ROOT / ".ci/sbom.py", "docker", *run, "python3", IMAGE, "-I", "-"]
    bill = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    listed = {each["purl"].partition("?")[0]: each for each in bill["components"]}
    debian = swarm.docker(*run, "dpkg-query", IMAGE, "-W", "-f", "${Package}\n").split()
    assert sorted(each["name"] for url, each in listed.items() if url.startswith("pkg:deb/")) == sorted(debian)
    version = swarm.docker(*run, "haproxy", IMAGE, "-v").split()[2]
    assert f"pkg:generic/haproxy@{version}" in listed
    required = {each["name"] for url, each in listed.items() if each["scope"] == "required" and "pkg:pypi/" in url}
    assert required > {"fastapi", "pydantic", "docker", "uvicorn"}
    assert "pytest" not in required
