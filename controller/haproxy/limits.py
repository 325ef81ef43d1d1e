"""How many connections HAProxy may hold here: ``maxconn`` follows the machine, nobody has to set it.

A connection that is proxied takes two file descriptors and, with a buffer for each direction, about 34 KB of memory
(Configuration manual 3.2, ``maxconn`` and ``tune.bufsize``).
"""

import resource
from dataclasses import dataclass
from pathlib import Path

_MOST_CONNECTIONS = 100_000
_FEWEST_CONNECTIONS = 100
_BYTES_PER_CONNECTION = 34 * 1024
_DESCRIPTORS_PER_CONNECTION = 2
_MEMORY_SHARE = 2
"""Connections get one part in so many: the rest is for the configuration, a worker of before a reload, and us."""
_RESERVE_SHARE = 5
"""One descriptor in so many is kept for listeners, health checks and logs."""
_LARGEST_RESERVE = 10_000
_UNLIMITED_BYTES = 1 << 60
"""cgroup v1 says a huge number instead of no limit."""
_CGROUP_FILES = ("memory.max", "memory/memory.limit_in_bytes")
_CGROUP_ROOT = Path("/sys/fs/cgroup")


@dataclass(frozen=True, slots=True)
class Limits:
    """``maxconn`` and ``fd-hard-limit`` of HAProxy's global section."""

    maxconn: int
    fd_hard_limit: int


def connection_limit(nofile_hard: int | None, memory_bytes: int | None) -> Limits:
    """Return what fits into a number of file descriptors and bytes of memory; None is no limit.

    At least 100 connections are promised, even where that is too many.
    """
    allowed = [_MOST_CONNECTIONS]
    if memory_bytes is not None:
        allowed.append(memory_bytes // _MEMORY_SHARE // _BYTES_PER_CONNECTION)
    reserve = _LARGEST_RESERVE
    if nofile_hard is not None:
        reserve = min(reserve, nofile_hard // _RESERVE_SHARE)
        allowed.append((nofile_hard - reserve) // _DESCRIPTORS_PER_CONNECTION)
    maxconn = max(min(allowed), _FEWEST_CONNECTIONS)
    descriptors = maxconn * _DESCRIPTORS_PER_CONNECTION + reserve
    return Limits(maxconn, descriptors if nofile_hard is None else min(descriptors, nofile_hard))


def machine_limits(cgroup_root: Path = _CGROUP_ROOT) -> Limits:
    """Return the limits for HAProxy in this container or on this machine."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    nofile = None if hard == resource.RLIM_INFINITY else hard
    return connection_limit(nofile, memory_limit(cgroup_root))


def memory_limit(cgroup_root: Path = _CGROUP_ROOT) -> int | None:
    """Return the memory limit of this container in bytes, from cgroup v2 or v1; None if there is none."""
    for name in _CGROUP_FILES:
        try:
            text = (cgroup_root / name).read_text(encoding="ascii").strip()
        except OSError:
            continue
        return int(text) if text.isdigit() and int(text) < _UNLIMITED_BYTES else None
    return None
