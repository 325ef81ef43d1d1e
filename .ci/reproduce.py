"""Builds the image twice, without anything kept from before, and compares what is in it.

    python .ci/reproduce.py docker build --network host .

It ends with 1 if the two differ, and tells which files do: by kind, content, mode, owner, time or place of a link. Both
builds take what Debian and the registry of Python packages have at that moment; of another day there may be newer ones
of Debian's.
"""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

Files = dict[str, tuple[object, ...]]
_TOLD = 40
"""Lines about differences; of more, only the number is told."""


def main() -> int:
    """Build twice by the command that is given, and compare."""
    builds = [_built(sys.argv[1:], number) for number in (1, 2)]
    if builds[0] == builds[1]:
        told(f"{len(builds[0])} files, the same in both builds")
        return 0
    differences = list(compared(*builds))
    for line in differences[:_TOLD]:
        told(line)
    told(f"NOT THE SAME: {len(differences)} files of {len(builds[0])} and {len(builds[1])}")
    return 1


def _built(command: list[str], number: int) -> Files:
    """Build and return what is in the image, after which it is removed."""
    tag = f"swarmgate-reproduced:{os.getpid()}-{number}"
    subprocess.run([*command, "--no-cache", "--quiet", "--tag", tag], check=True)  # noqa: S603
    try:
        with tempfile.NamedTemporaryFile(suffix=".tar") as file:
            subprocess.run(["docker", "save", "--output", file.name, tag], check=True)  # noqa: S603, S607
            return files_of(Path(file.name))
    finally:
        subprocess.run(["docker", "image", "rm", "--no-prune", tag], check=True, stdout=subprocess.DEVNULL)  # noqa: S603, S607


def files_of(image: Path) -> Files:
    """Return all that is told of each file in a saved image, by the number of the layer and the path."""
    found: Files = {}
    with tarfile.open(image) as outer:
        manifest = outer.extractfile("manifest.json")
        assert manifest is not None  # noqa: S101 - of a file it is never
        for number, name in enumerate(json.load(manifest)[0]["Layers"]):
            with tarfile.open(fileobj=outer.extractfile(name)) as layer:
                found |= {f"layer {number}: /{member.name}": _facts(layer, member) for member in layer}
    return found


def _facts(layer: tarfile.TarFile, member: tarfile.TarInfo) -> tuple[object, ...]:
    content = layer.extractfile(member) if member.isreg() else None
    digest = hashlib.sha256(content.read()).hexdigest() if content else ""
    return member.type, digest, oct(member.mode), member.uid, member.gid, member.mtime, member.linkname


def compared(first: Files, second: Files) -> Iterator[str]:
    """Give a line for each file that is not the same in both."""
    for path in sorted(first.keys() | second.keys()):
        one, other = first.get(path), second.get(path)
        if one is None or other is None:
            yield f"{path}: only in the {'second' if one is None else 'first'}"
        elif one != other:
            yield f"{path}: {one} and {other}"


def told(line: str) -> None:
    """Print a line."""
    print(line)  # noqa: T201 - a script


if __name__ == "__main__":
    sys.exit(main())
