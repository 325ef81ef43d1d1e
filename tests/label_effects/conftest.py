"""Each HAProxy in turn, and an origin behind it."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from label_effects.edge import Origin, running


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in VERSIONS])
def binary(request: pytest.FixtureRequest) -> Path:
    """Each version of HAProxy that is supported."""
    return haproxy_binary(str(request.param))


@pytest.fixture
async def origin() -> AsyncIterator[Origin]:
    """A running origin."""
    origin = Origin()
    async with running(origin):
        yield origin
