"""Origins: what answers for the services of a world, so cheap that the proxy before it is what is measured."""

import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.context import Context
from benchmarks.load import cores
from benchmarks.processes import program, wait_for_port

_CONNECTIONS = 9_000


@contextmanager
def origins(context: Context, port: int, size: int, folder: Path) -> Iterator[tuple["subprocess.Popen[bytes]", ...]]:
    """Run what answers for all services of a world, at all addresses of loopback: HAProxy with an answer of its own.

    Proxies keep a connection or more to each service, so a large world takes several processes, on one port.
    """
    config = folder / "origin.cfg"
    config.write_text(_CONFIG.format(port=port, maxconn=_CONNECTIONS), encoding="utf-8")
    with ExitStack() as stack:
        started = []
        for _ in range(1 + 2 * size // _CONNECTIONS):
            process = stack.enter_context(program([context.haproxy, "-db", "-f", config], core=cores().load))
            wait_for_port(port, process)
            started.append(process)
        yield tuple(started)


_CONFIG = """\
global
    maxconn {maxconn}

defaults
    mode http
    timeout connect 5s
    timeout client 1h
    timeout server 1h

frontend origin
    bind *:{port}
    http-request return status 200 content-type text/plain string "benchmark"
"""
