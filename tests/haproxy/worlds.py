"""A small configuration by hand: one frontend that routes by path prefix, as the rendered one does."""

from collections.abc import Mapping

from render.files import Rendered

PREFIXES = "maps/prefix.map"
ENDINGS = "maps/ending.map"
PROFILE = "http-plain"

Servers = Mapping[str, int]
"""Server names and their ports on loopback."""


def world(
    *,
    runtime_socket: object,
    port: int,
    backends: Mapping[str, Servers] | None = None,
    routes: Mapping[str, str] | None = None,
    endings: Mapping[str, str] | None = None,
    extra: str = "",
) -> Rendered:
    """Return the files; ``extra`` is appended to the configuration."""
    lines = [_HEAD.format(runtime_socket=runtime_socket, port=port, prefixes=PREFIXES, endings=ENDINGS)]
    for name, servers in (backends or {}).items():
        lines.append(f"backend {name} from {PROFILE}")
        lines += [f"    server {server} 127.0.0.1:{number}" for server, number in servers.items()]
    config = "\n".join([*lines, extra, ""])
    return Rendered(config=config, maps={PREFIXES: routes or {}, ENDINGS: endings or {}})


_HEAD = """\
global
    default-path config
    maxconn 500
    stats socket unix@{runtime_socket} mode 600 level admin

defaults base
    mode http
    timeout connect 2s
    timeout client 10s
    timeout server 10s
    option redispatch 1
    retries 3

defaults http-plain from base
    balance roundrobin

frontend services from base
    bind 127.0.0.1:{port}
    acl routed path,map_end({endings}) -m found
    http-request set-path /%[path,map_end({endings})] if routed
    use_backend %[path,map_beg({prefixes})]
"""
