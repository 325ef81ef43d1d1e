"""What the tests of faults work with, for many of them at once."""

from collections.abc import Iterator

import pytest
from faults.clients import BODY
from faults.conftest import newest, site
from haproxy.loopback import http_server

__all__ = ["newest", "site"]


@pytest.fixture(scope="session")
def origin() -> Iterator[int]:
    """The port of all services, at the address of each task."""
    with http_server(BODY, address="0.0.0.0") as port:
        yield port
