"""Where a proxy has what, below its STATE_DIR and its RUN_DIR: by the same names for all who look for it. Pure."""

from pathlib import Path


def haproxy_in(state_dir: Path) -> Path:
    """Return the folder of HAProxy's files."""
    return state_dir / "haproxy"


def snapshot_in(state_dir: Path) -> Path:
    """Return the file with the world as it was read last."""
    return state_dir / "snapshot.json"


def last_good_in(state_dir: Path) -> Path:
    """Return the file with the forms of services that HAProxy has taken."""
    return state_dir / "last-good.jsonl"


def declared_in(state_dir: Path) -> Path:
    """Return the file with what was declared through the API."""
    return state_dir / "declared.json"


def runtime_socket_in(run_dir: Path) -> Path:
    """Return the socket on which HAProxy takes commands."""
    return run_dir / "runtime.sock"


def internal_socket_in(run_dir: Path) -> Path:
    """Return the socket of HAProxy's frontend for the controller alone."""
    return run_dir / "internal.sock"
