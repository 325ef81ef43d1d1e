"""A demonstration on one machine, without Docker: two small services, a stack file, and a proxy that follows it."""

import asyncio
import os
import socket
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Any

from fastapi import FastAPI, Request
from rich.console import Console

from controller.environment import proxy_settings
from controller.http.serving import make_server
from controller.proxy_role import run_proxy

_PREFERRED_HTTP, _PREFERRED_API = 8000, 8080

_STACK = """\
# A stack file, as for `docker stack deploy`. Edit it while the demo runs: every change is live at once.
# Instead of images, two small services of this demo answer on ports of this machine.
services:
  blue:
    deploy:
      labels:
        com.df.notify: "true"
        com.df.servicePath: /demo
        com.df.port: {blue}
        com.df.outboundHostname: 127.0.0.1
  green:
    deploy:
      labels:
        com.df.notify: "true"
        com.df.servicePath.1: /green
        com.df.reqPathSearchReplace.1: "^/green/?,/"
        com.df.port.1: {green}
        com.df.serviceDomain.2: "*.example.com"
        com.df.port.2: {green}
        com.df.outboundHostname: 127.0.0.1
"""

_WELCOME = """\
[bold]Swarmgate routes to two demo services.[/bold] Try, in another terminal:

  curl -i http://localhost:{http}/demo/hello
  curl -i http://localhost:{http}/green/some/path
  curl -i -H 'Host: shop.example.com' http://localhost:{http}/

Then edit  [bold]{stack}[/bold]
and try again: change a path, add a service, or make a mistake such as  com.df.port: 80x
What Swarmgate makes of each service:  http://localhost:{api}/ui
The same for programs:                 http://localhost:{api}/v1/services
Its metrics:                           http://localhost:{api}/metrics

Ctrl-C stops everything.
"""


async def run_demo(folder: Path) -> None:
    """Run the demonstration with its files in ``folder``, until Ctrl-C.

    Raises:
        TemporaryError: another demonstration uses the folder.
        PermanentError: there is no HAProxy to be found.
    """
    sockets = {name: _listening() for name in ("blue", "green")}
    stack = _write_stack(folder, {name: each.getsockname()[1] for name, each in sockets.items()})
    http, api = _free_port(_PREFERRED_HTTP), _free_port(_PREFERRED_API)
    settings = proxy_settings(
        stack_file=stack,
        state_dir=folder / "state",
        run_dir=Path(tempfile.gettempdir()) / f"swarmgate-demo-{os.getuid()}",
        default_ports=str(http),
        ip="127.0.0.1",
        port=api,
        drain_timeout=2,
        log_format="text",
    )
    Console().print(_WELCOME.format(http=http, api=api, stack=stack), highlight=False)
    servers = [make_server(_service(name), ip="127.0.0.1", port=0) for name in sockets]
    serving = [
        asyncio.create_task(server.serve(sockets=[each]))
        for server, each in zip(servers, sockets.values(), strict=True)
    ]
    try:
        await run_proxy(settings)
    finally:
        for server in servers:
            server.should_exit = True
        await asyncio.gather(*serving)


def _write_stack(folder: Path, ports: dict[str, int]) -> Path:
    """Write the stack file anew, with the ports of this time."""
    folder.mkdir(parents=True, exist_ok=True)
    stack = folder / "stack.yml"
    stack.write_text(_STACK.format(**ports), encoding="utf-8")
    return stack


def _service(name: str) -> FastAPI:
    """Return a service that tells its name and what it was asked."""
    app = FastAPI()

    @app.api_route("/{path:path}", methods=["GET", "HEAD", "POST", "PUT", "DELETE"])
    async def answer(request: Request) -> dict[str, Any]:
        return {"service": name, "method": request.method, "path": request.url.path, "host": request.headers["host"]}

    return app


def _listening() -> socket.socket:
    """Return a socket that listens on a free port of this machine."""
    return socket.create_server(("127.0.0.1", 0))


def _free_port(preferred: int) -> int:
    """Return the preferred port if nobody has it, else any free one."""
    for port in (preferred, 0):
        try:
            with closing(socket.create_server(("", port))) as probe:
                return int(probe.getsockname()[1])
        except OSError:
            continue
    raise OSError("no free port")
