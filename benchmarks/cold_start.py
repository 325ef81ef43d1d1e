"""From nothing to ready: a proxy's start with a large world, from each source it may have, and its restart."""

import signal
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

import yaml

from benchmarks.context import Context, free_ports, scratch
from benchmarks.engine import engine
from benchmarks.measurement import Finding, Limit, Measurement, median
from benchmarks.roles import eventually, listener, proxy
from benchmarks.world import services

_PROMISED = Limit(at_most=5)


def run(context: Context) -> Iterator[Finding]:
    """Start and restart it at the promised size."""
    size, rounds = context.large, context.rounds(full=3, quick=1)
    (origin,) = free_ports()
    with scratch() as folder:
        stack = folder / "stack.yml"
        stack.write_text(_stack(size, origin), encoding="utf-8")
        yield _row(f"with a stack file of {size:,} services", _starts(context, {"STACK_FILE": str(stack)}, rounds))
    with scratch() as folder, engine(folder / "docker.sock", "plain", size, origin) as docker:
        docker.call("warm")
        given = {"DOCKER_HOST": docker.docker_host}
        yield _row(f"with the Docker API, {size:,} services", _starts(context, given, rounds))
        began = time.monotonic()
        with listener(docker, folder) as told:
            seconds = eventually(told.is_ready, "the listener is ready", told) - began
            yield Measurement(f"a listener, {size:,} services", seconds, "s")
            given = {"LISTENER_ADDRESS": f"127.0.0.1:{told.api}"}
            yield _row(f"with a listener, {size:,} services", _starts(context, given, rounds))
            yield Measurement(
                f"the controller killed and started anew beside its HAProxy, {size:,} services",
                median(_restarts(context, given, rounds)),
                "s",
                _PROMISED,
            )


def _row(how: str, seconds: list[float]) -> Measurement:
    return Measurement(f"to ready {how}", median(seconds), "s", _PROMISED)


def _stack(size: int, port: int) -> str:
    """Return a stack file with a plain world, its services on this machine."""
    return yaml.safe_dump(
        {
            "services": {
                each.name: {"deploy": {"labels": {**each.full_labels, "com.df.outboundHostname": "127.0.0.1"}}}
                for each in services("plain", size, port)
            }
        }
    )


def _starts(context: Context, environment: Mapping[str, str], rounds: int) -> list[float]:
    """Return the seconds of each of some starts without any state."""
    seconds = []
    for _ in range(rounds):
        with scratch() as folder:
            seconds.append(_start(context, environment, folder))
    return seconds


def _start(context: Context, environment: Mapping[str, str], folder: Path) -> float:
    began = time.monotonic()
    with proxy(context, folder, environment) as role:
        return eventually(role.is_ready, "the proxy is ready", role) - began


def _restarts(context: Context, environment: Mapping[str, str], rounds: int) -> list[float]:
    seconds = []
    with scratch() as folder:
        api, port = free_ports(2)
        for _ in range(rounds):
            with proxy(context, folder, environment, ports=(api, port)) as first:
                eventually(first.is_ready, "the proxy is ready", first)
                first.process.send_signal(signal.SIGKILL)
                first.process.wait()
                began = time.monotonic()
                with proxy(context, folder, environment, ports=(api, port)) as second:
                    seconds.append(eventually(second.is_ready, "the proxy is ready again", second) - began)
    return seconds
