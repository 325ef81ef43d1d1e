"""``make sbom``: the bill of materials that follows from what an image tells of itself."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
LOCKED = dict(re.findall(r"^(\S+)==([^\s;]+)", (ROOT / "requirements.lock").read_text(encoding="utf-8"), re.MULTILINE))
SHIPPED = {"pydantic": LOCKED["pydantic"], "typing_extensions": LOCKED["typing-extensions"], "swarmgate": "0.1.0"}
PACKAGES = [["libc6:amd64", "2.41-12", "amd64"], ["gcc-14-base", "14.2.0-19+b1", "amd64"]]


def write(distributions: dict[str, str], *, seed: int = 0) -> "subprocess.CompletedProcess[str]":
    """Run the script upon the answer of an image with these packages of Python."""
    told = {
        "debian": "13",
        "packages": PACKAGES,
        "haproxy": "3.4.7-1",
        "python": "3.13.5",
        "distributions": [*distributions.items()],
    }
    image = (sys.executable, "-c", f"print({json.dumps(told)!r})")
    return subprocess.run(
        [sys.executable, ROOT / ".ci/sbom.py", *image],
        env=os.environ | {"PYTHONHASHSEED": str(seed)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def written() -> "subprocess.CompletedProcess[str]":
    """The bill of a small image, as it is written."""
    return write(SHIPPED)


@pytest.fixture(scope="module")
def bill(written: "subprocess.CompletedProcess[str]") -> Any:  # noqa: ANN401 - JSON
    """The bill of a small image."""
    return json.loads(written.stdout)


def test_every_locked_package_is_listed_and_told_apart_by_whether_it_is_shipped(bill: Any) -> None:  # noqa: ANN401
    listed = {each["name"]: each for each in bill["components"] if each["purl"].startswith("pkg:pypi/")}
    assert {name: each["version"] for name, each in listed.items()} == LOCKED
    assert {each["purl"] for each in listed.values()} == {f"pkg:pypi/{item[0]}@{item[1]}" for item in LOCKED.items()}
    assert {name for name, each in listed.items() if each["scope"] == "required"} == {"pydantic", "typing-extensions"}


def test_haproxy_and_debians_packages_are_listed(bill: Any) -> None:  # noqa: ANN401
    urls = {each["purl"] for each in bill["components"] if not each["purl"].startswith("pkg:pypi/")}
    assert urls == {
        "pkg:generic/haproxy@3.4.7-1",
        "pkg:deb/debian/libc6@2.41-12?arch=amd64&distro=debian-13",
        "pkg:deb/debian/gcc-14-base@14.2.0-19%2Bb1?arch=amd64&distro=debian-13",
    }
    assert bill["metadata"]["component"]["name"] == "swarmgate"
    assert {each["scope"] for each in bill["components"] if each["purl"] in urls} == {"required"}


def test_it_is_the_same_to_the_byte_every_time(written: "subprocess.CompletedProcess[str]") -> None:
    """The script has checked it against the schema of CycloneDX, too."""
    assert (written.returncode, written.stderr) == (0, "")
    assert write(SHIPPED, seed=1).stdout == written.stdout


def test_what_is_shipped_has_to_be_what_is_locked() -> None:
    done = write(SHIPPED | {"pydantic": "1.0", "stranger": "1.0"})
    assert done.returncode == 1
    assert "not as locked: pydantic 1.0, stranger 1.0" in done.stderr
    assert not done.stdout
