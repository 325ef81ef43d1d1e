"""Proxies and listeners as processes, as in the tests of the roles."""

from collections.abc import Iterator

import pytest
from fakes.fake_docker import FakeDocker
from roles.conftest import backend, make_listener, make_proxy, newest

__all__ = ["backend", "docker", "make_listener", "make_proxy", "newest"]


@pytest.fixture
def docker() -> Iterator[FakeDocker]:
    """A manager's engine."""
    with FakeDocker() as engine:
        yield engine
