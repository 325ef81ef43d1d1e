"""A second HAProxy, started anew from a copy of the files that a running one would be started from."""

import asyncio
import contextlib
import re
import shutil
import subprocess
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

from controller.haproxy.runtime import session

ADDRESS = "127.0.0.77"
"""Where it listens, on the same ports as the running one: the kernel prefers it there, because it is more specific."""
_POLL = 0.01
_LIMIT = 30.0


@contextlib.asynccontextmanager
async def twin(binary: Path, files: Path, run_dir: Path, folder: Path) -> AsyncIterator[Path]:
    """Run it until the end of the block; yields the path of its runtime socket."""
    process = _start(binary, files, run_dir, folder)
    try:
        await _until_it_serves(process, folder)
        yield folder / "runtime.sock"
    finally:
        process.kill()
        process.wait()


def _start(binary: Path, files: Path, run_dir: Path, folder: Path) -> "subprocess.Popen[bytes]":
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(files.resolve(), folder)
    config = (folder / "haproxy.cfg").read_text()
    config = re.sub(r"^(    bind )\*:", rf"\g<1>{ADDRESS}:", config, flags=re.MULTILINE)
    (folder / "haproxy.cfg").write_text(config.replace(f"{run_dir}/", f"{folder}/"))
    with (folder / "output.txt").open("wb") as output:
        return subprocess.Popen([binary, "-db", "-f", folder / "haproxy.cfg"], stdout=output, stderr=output)


async def _until_it_serves(process: "subprocess.Popen[bytes]", folder: Path) -> None:
    async with asyncio.timeout(_LIMIT):
        while True:
            assert process.poll() is None, (folder / "output.txt").read_text()
            with contextlib.suppress(OSError):
                _, writer = await asyncio.open_unix_connection(folder / "runtime.sock")
                writer.close()
                return
            await asyncio.sleep(_POLL)


_STATUS = ("svname", "act", "bck", "mode", "algo", "cookie", "type", "weight", "addr", "check_rise", "check_fall")
_SERVER = (
    "be_name",
    "srv_name",
    "srv_addr",
    "srv_port",
    "srv_admin_state",
    "srv_uweight",
    "srv_iweight",
    "srv_use_ssl",
)
_ORDERED = frozenset({"maps/wildcards.map", "maps/passed-endings.map"})
_STARTED_WITH = "maps/loaded.map"


async def said(socket: Path) -> dict[str, object]:
    """Return what a HAProxy says that it runs: maps, backends with their servers, and certificates."""
    async with session(socket) as runtime:
        maps, backends, servers, statistics, list_, certificates = await runtime.ask(
            "show map",
            "show backend",
            "show servers state",
            "show stat",
            "show ssl crt-list -n crt-list.txt",
            "show ssl cert",
        )
        files = re.findall(r"\((maps/\S+)\)", maps)
        entries = await runtime.ask(*(f"show map {file}" for file in files))
        names = [name for name in certificates.splitlines() if name and not name.startswith("#")]
        details = await runtime.ask(*(f"show ssl cert {name}" for name in names))
    return {
        "backends": sorted(backends.splitlines()[1:]),
        "servers": _rows(servers.splitlines()[1:], " ", _SERVER, skipped="# "),
        "statistics": _rows(statistics.splitlines(), ",", ("# pxname", *_STATUS)),
        "list": sorted(re.sub(r":\d+", "", line) for line in list_.splitlines() if not line.startswith("#")),
        "certificates": {name: _identity(text) for name, text in zip(names, details, strict=True)},
        **{
            file: _entries(file, text.splitlines())
            for file, text in zip(files, entries, strict=True)
            if file != _STARTED_WITH
        },
    }


def _entries(file: str, lines: Sequence[str]) -> list[str]:
    entries = [line.partition(" ")[2] for line in lines if line]
    return entries if file in _ORDERED else sorted(entries)


def _rows(lines: Sequence[str], between: str, columns: Sequence[str], *, skipped: str = "") -> list[tuple[str, ...]]:
    """Return some columns of a table, in the order of its rows' content."""
    heading = lines[0].removeprefix(skipped).split(between)
    places = [heading.index(column) for column in columns if column in heading]
    return sorted(tuple(row[place] for place in places) for row in (line.split(between) for line in lines[1:] if line))


def _identity(details: str) -> tuple[str, ...]:
    """Return what tells a certificate from others, and whether it is in use."""
    wanted = ("Status", "Serial", "SHA1 FingerPrint", "Subject Alternative Name", "Chain Subject")
    return tuple(line for line in details.splitlines() if line.startswith(wanted))
