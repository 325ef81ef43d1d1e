"""The HAProxy whose whole life is lived, and its certificates."""

from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary


@pytest.fixture(params=[pytest.param(VERSIONS[-1], marks=pytest.mark.haproxy)])
def newest(request: pytest.FixtureRequest) -> Path:
    """The HAProxy of the image, in which everything plain is changed at run time."""
    return haproxy_binary(str(request.param))
