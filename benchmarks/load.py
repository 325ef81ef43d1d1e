"""Load on a proxy: ``wrk`` for as many requests as it can take, ``h2load`` for its latency at a fixed rate."""

import json
import os
import random
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.context import UnmeasurableError
from benchmarks.measurement import percentile
from benchmarks.world import Request

SCRIPT = Path(__file__).with_name("spread.lua")
_DIFFERENT = 10_000
"""Requests that a load goes through in turn: the same number for every world, so that it costs wrk the same."""
_SEED = 1


@dataclass(frozen=True, slots=True)
class Cores:
    """The cores that the proxy, and those that the load and the origins run on; they are pinned to them."""

    proxy: str
    load: str

    @property
    def text(self) -> str:
        """Both in words."""
        if self.proxy == self.load:
            return "everything on one core"
        return f"proxy pinned to core {self.proxy}; load and origin to core {self.load}"


def cores() -> Cores:
    """Share out the cores of this machine: the proxy has one for itself if there are two or more."""
    usable = sorted(os.sched_getaffinity(0))
    if len(usable) < 2:
        return Cores(str(usable[0]), str(usable[0]))
    return Cores(str(usable[0]), ",".join(map(str, usable[1:])))


@dataclass(frozen=True, slots=True)
class Throughput:
    """What wrk saw: requests per second, and how many of them failed or had a status of 400 or more."""

    per_second: float
    failed: int


@dataclass(frozen=True, slots=True)
class Latency:
    """What h2load saw at a fixed rate; times are in milliseconds."""

    per_second: float
    p50: float
    p99: float
    failed: int


def spread(requests: Sequence[Request], folder: Path, name: str) -> Path:
    """Write the requests of a load, in random order and each as often as the others, for wrk."""
    order = [requests[number % len(requests)] for number in range(max(_DIFFERENT, len(requests)))]
    random.Random(_SEED).shuffle(order)  # noqa: S311 - an order, not a secret
    target = folder / f"{name}.requests"
    lines = ("\t".join((each.path, each.host, *(f"{k}: {v}" for k, v in each.headers.items()))) for each in order)
    target.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return target


def put_load(
    port: int, requests: Path, *, seconds: float, connections: int = 64, core: str, threads: int = 1
) -> Throughput:
    """Send as many requests as the proxy on a port can take.

    Raises:
        UnmeasurableError: wrk is not here, or could not do it.
    """
    words = ["-t", str(threads), "-c", str(connections), "-d", f"{max(1, round(seconds))}s", "--timeout", "10s"]
    output = _say(core, "wrk", *words, "-s", str(SCRIPT), f"http://127.0.0.1:{port}", "--", str(requests))
    found = json.loads(output.rpartition("RESULT ")[2])
    return Throughput(found["requests"] / found["seconds"], found["failed"])


def put_rate(port: int, paths: Sequence[str], *, rate: int, seconds: int, folder: Path, core: str) -> Latency:
    """Send requests for paths at a fixed rate over 16 connections.

    Raises:
        UnmeasurableError: h2load is not here, or could not do it.
    """
    clients, uris, log = 16, folder / "uris.txt", folder / "h2load.log"
    shuffled = random.Random(_SEED).sample(list(paths), len(paths))  # noqa: S311 - an order, not a secret
    uris.write_text("".join(f"http://127.0.0.1:{port}{quote(path)}\n" for path in shuffled), encoding="utf-8")
    log.unlink(missing_ok=True)
    words = ["--h1", "-c", str(clients), "-m", "1", "-D", str(seconds), "--warm-up-time", "1"]
    _say(core, "h2load", *words, "--rps", str(rate // clients), "--log-file", str(log), "-i", str(uris))
    rows = [line.split("\t") for line in log.read_text(encoding="ascii").splitlines()]
    times = [int(row[2]) / 1000 for row in rows if row[1] == "200"]
    if not times:
        raise UnmeasurableError("h2load got no answer at all")
    return Latency(len(times) / seconds, percentile(times, 50), percentile(times, 99), len(rows) - len(times))


def _say(core: str, *command: str) -> str:
    """Run a program on some cores and return what it says."""
    if shutil.which(command[0]) is None:
        raise UnmeasurableError(f"There is no {command[0]} here; tests/testbed/install gets it.")
    done = subprocess.run(["taskset", "-c", core, *command], capture_output=True, text=True, timeout=600, check=False)
    if done.returncode:
        raise UnmeasurableError(f"{command[0]} failed: {(done.stdout + done.stderr)[-500:]}")
    return done.stdout
