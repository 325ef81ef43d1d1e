"""``make reproduce``: what it makes of two images."""

import io
import json
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "reproduce.py"
DOCKER = """#!/bin/sh
[ "$1" != save ] || cp "$(dirname "$0")/${4##*-}.tar" "$3"
"""
"""Stands in for the program: of the first build and of the second it saves what is given."""
FILE = {"name": "bin/program", "content": b"what it does", "mode": 0o755, "mtime": 1, "uid": 0}


def add(archive: tarfile.TarFile, name: str, content: bytes, **facts: object) -> None:
    """Add a file to an archive."""
    member = tarfile.TarInfo(name)
    member.size = len(content)
    for fact, value in facts.items():
        setattr(member, fact, value)
    archive.addfile(member, io.BytesIO(content))


def save(path: Path, *files: dict[str, object]) -> None:
    """Write an image as ``docker save`` does, with one layer that has these files."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as archive:
        for file in files:
            add(archive, **file)  # type: ignore[arg-type]  # each has a name and content
    with tarfile.open(path, mode="w") as image:
        add(image, "a/layer.tar", layer.getvalue())
        add(image, "manifest.json", json.dumps([{"Layers": ["a/layer.tar"]}]).encode())


@pytest.mark.parametrize(
    ("second", "words"),
    [
        ([FILE], ["1 files, the same in both builds"]),
        ([FILE | {"content": b"what it may do"}], ["layer 0: /bin/program: ", "NOT THE SAME: 1 files of 1 and 1"]),
        ([FILE | {"mode": 0o775}], ["0o755", "0o775"]),
        ([FILE | {"mtime": 2}], ["layer 0: /bin/program: "]),
        ([FILE | {"uid": 99}], ["layer 0: /bin/program: "]),
        ([FILE, FILE | {"name": "bin/other"}], ["layer 0: /bin/other: only in the second"]),
        ([], ["layer 0: /bin/program: only in the first"]),
    ],
    ids=["same", "content", "mode", "time", "owner", "more", "fewer"],
)
def test_whatever_differs_is_told_and_fails(tmp_path: Path, second: list[dict[str, object]], words: list[str]) -> None:
    save(tmp_path / "1.tar", FILE)
    save(tmp_path / "2.tar", *second)
    docker = tmp_path / "docker"
    docker.write_text(DOCKER, encoding="ascii")
    docker.chmod(0o755)

    done = subprocess.run(
        [sys.executable, SCRIPT, "docker", "build", "."],
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.returncode, done.stderr) == (int(second != [FILE]), "")
    for each in words:
        assert each in done.stdout
