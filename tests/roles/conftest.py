"""Proxies and listeners as processes, in folders of their own."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from haproxy.loopback import free_port, http_server
from roles.processes import Proxy, Role, running


@pytest.fixture(params=[pytest.param(version, marks=pytest.mark.haproxy) for version in (VERSIONS[0], VERSIONS[-1])])
def binary(request: pytest.FixtureRequest) -> Path:
    """The oldest HAProxy that is supported, and the one of the image."""
    return haproxy_binary(str(request.param))


@pytest.fixture
def newest() -> Path:
    """The HAProxy of the image."""
    return haproxy_binary(VERSIONS[-1])


@pytest.fixture
def backend() -> Iterator[int]:
    """The port of a small HTTP service on this machine."""
    with http_server("hello, world!") as port:
        yield port


@pytest.fixture
def stack_file(folder: Path) -> Path:
    """Where the stack file of a test is."""
    return folder / "stack.yml"


MakeProxy = Callable[..., Proxy]
MakeListener = Callable[..., Role]


@pytest.fixture
def make_proxy(folder: Path) -> Iterator[MakeProxy]:
    """Start proxies; all are gone after the test."""
    with ExitStack() as cleaning:
        made: list[Proxy] = []

        def make(binary: Path, *arguments: str, api: int = 0, **environment: str) -> Proxy:
            home = folder / f"p{len(made)}"
            proxy = Proxy(
                ["proxy", "--state-dir", f"{home}/state", "--run-dir", f"{home}/run", *arguments],
                {"HAPROXY_BINARY": str(binary)} | environment,
                folder / f"proxy-{len(made)}.log",
                api or free_port(),
                home=home,
            )
            made.append(proxy)
            cleaning.enter_context(running(proxy, home))
            proxy.start()
            return proxy

        yield make


@pytest.fixture
def make_listener(folder: Path) -> Iterator[MakeListener]:
    """Start listeners; all are gone after the test."""
    with ExitStack() as cleaning:

        def make(**environment: str) -> Role:
            listener = Role(["listener"], environment, folder / "listener.log")
            cleaning.enter_context(running(listener, folder / "none"))
            listener.start()
            return listener

        yield make
