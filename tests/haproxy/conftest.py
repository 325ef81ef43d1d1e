"""Every HAProxy there is, and dataplanes that leave no process behind."""

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from binaries import VERSIONS, haproxy_binary
from haproxy.loopback import free_port

from controller.haproxy.dataplane import HAProxyDataplane


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
def version(request: pytest.FixtureRequest) -> str:
    """Each version of HAProxy in turn."""
    return str(request.param)


@pytest.fixture
def binary(version: str) -> Path:
    """The binary of that version."""
    return haproxy_binary(version)


@pytest.fixture
def port() -> int:
    """A free port for the frontend."""
    return free_port()


MakeDataplane = Callable[..., HAProxyDataplane]


@pytest.fixture
async def make_dataplane(folder: Path) -> AsyncIterator[MakeDataplane]:
    """Make controllers of one HAProxy, which is stopped after the test; each takes over from the one before."""
    made: list[HAProxyDataplane] = []

    def make(binary: Path, **options: Any) -> HAProxyDataplane:  # noqa: ANN401 - any of its own
        if made:
            made[-1].close()
        folders = {"state_dir": folder / "state", "run_dir": folder / "run"}
        made.append(HAProxyDataplane(binary, **folders, load_limit=20, **options))
        return made[-1]

    yield make
    for dataplane in reversed(made):
        dataplane.close()
        await dataplane.process.stop()


@pytest.fixture
def dataplane(make_dataplane: MakeDataplane, binary: Path) -> HAProxyDataplane:
    """A controller of a real HAProxy that does not run yet."""
    return make_dataplane(binary)
