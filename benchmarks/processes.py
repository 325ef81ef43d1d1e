"""Programs that a benchmark starts: always ended, pinned to cores, paused while others are measured."""

import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path


class StartError(Exception):
    """A program that was started does not do what it is for; the text says which."""


@contextmanager
def program(
    command: Sequence[str | Path], *, core: str = "", environment: Mapping[str, str] | None = None
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a program until the end of the block."""
    pinned = ["taskset", "-c", core] if core else []
    with subprocess.Popen(
        [*pinned, *command], stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def wait_for_port(port: int, process: "subprocess.Popen[bytes]", *, limit: float = 60.0) -> None:
    """Wait until something listens on a port of loopback.

    Raises:
        StartError: the program ended, or does not listen in time.
    """
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise StartError(f"{process.args!r} ended with {process.returncode}; see the log")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise StartError(f"{process.args!r} does not listen on port {port}")


def pause(process: "subprocess.Popen[bytes]") -> None:
    """Have a program do nothing at all, its health checks included."""
    process.send_signal(signal.SIGSTOP)


def resume(process: "subprocess.Popen[bytes]") -> None:
    """Have it go on."""
    process.send_signal(signal.SIGCONT)


def cpu_seconds(pid: int) -> float:
    """Return the CPU time that the threads of a process have used, exactly: ``stat`` only counts ticks."""
    threads = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(each.read_text(encoding="ascii").split()[0]) for each in threads) / 1e9


def resident_bytes(pid: int) -> int:
    """Return the memory that a process has resident."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS"))
