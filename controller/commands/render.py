"""``swarmgate render``: the files that Swarmgate would write, as text, without what is secret."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePath

from controller.redaction import HIDDEN, redacted
from render import records
from render.files import CONFIG_FILE

_CERTIFICATES = "certs"


def shown_files(files: Mapping[str, bytes], *, with_secrets: bool) -> dict[str, str]:
    """Return the texts of the files by name; certificates, which have keys in them, are never among them.

    Without secrets, passwords, values of headers and lines that somebody has written are hidden, and the digests of
    passwords are left out.
    """
    texts = {name: content.decode() for name, content in files.items() if PurePath(name).parts[0] != _CERTIFICATES}
    return texts if with_secrets else {name: _redacted(name, text) for name, text in texts.items()}


def _redacted(name: str, text: str) -> str:
    if name == CONFIG_FILE:
        return redacted(text)
    if name == records.CREDENTIALS:
        return "".join(f"{line.partition('#')[0]}#{HIDDEN} {line.rpartition(' ')[2]}\n" for line in text.splitlines())
    return text


def as_text(files: Mapping[str, str]) -> Iterator[str]:
    """Yield the files one after the other, each under its name; those without entries only by name."""
    for name, text in files.items():
        yield f"# ---- {name}{'' if text else ' (empty)'}\n{text}"


def write(files: Mapping[str, str], folder: Path) -> None:
    """Write the files into a folder, readable for their owner only.

    Raises:
        OSError: they cannot be written.
    """
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
