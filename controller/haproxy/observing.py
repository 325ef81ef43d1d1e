"""Asking a worker of HAProxy what it runs."""

from pathlib import Path

from controller.haproxy import answers
from controller.haproxy.runtime import DEFAULT_LIMIT, session
from models.observed import Observed

_QUESTIONS = ("show info", "help", "show map", "show backend", "show servers state")


async def observe(runtime_socket: Path, *, limit: float = DEFAULT_LIMIT) -> tuple[int, Observed]:
    """Return the worker's process id, and what it runs; ``limit`` is in seconds, for each answer.

    Raises:
        TemporaryError: it does not answer.
    """
    async with session(runtime_socket, limit=limit) as runtime:
        info, help_, map_list, backend_list, servers_state = await runtime.ask(*_QUESTIONS)
        files = answers.parse_map_files(map_list)
        maps = await runtime.ask(*(f"show map {file}" for file in files))
    identity = answers.parse_info(info)
    servers = answers.parse_servers(servers_state)
    return identity.pid, Observed(
        running=True,
        version=identity.version,
        capabilities=answers.parse_help(help_),
        maps={file: answers.parse_map(entries) for file, entries in zip(files, maps, strict=True)},
        backends={name: servers.get(name, {}) for name in answers.parse_backends(backend_list)},
    )
