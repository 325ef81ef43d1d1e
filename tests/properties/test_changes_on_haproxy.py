"""Whatever happens to the services, a running HAProxy is what its files say, and answers as the rules say.

To look for more: ``SWARMGATE_LIFETIMES=200`` has so many lives lived on each version, other ones every time, and
shortens the first one that goes wrong.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from haproxy.loopback import free_port
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from lifetime.living import living, serving
from lifetime.world import CHANGES, Change, Ports, told

WANTED = int(os.environ.get("SWARMGATE_LIFETIMES", "0"))
LIVES = {"2.8": 5, "3.0": 5, "3.4": 20}
LIFE = settings(
    derandomize=not WANTED,
    database=None,
    print_blob=True,
    phases=[Phase.generate, Phase.shrink] if WANTED else [Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

Live = Callable[[str, Sequence[Change]], None]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Have changes happen to a new HAProxy of a version."""
    ports = Ports(**{each.name: free_port() for each in fields(Ports)})

    async def lived(binary: Path, changes: Sequence[Change]) -> None:
        with tempfile.TemporaryDirectory(prefix="sg-", dir="/tmp", ignore_cleanup_errors=True) as folder:
            async with living(binary, Path(folder), ports) as life:
                await life.live(changes)
                await life.end()

    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="sg-", dir="/tmp") as home:
        origins = serving(ports, Path(home))
        runner.run(origins.__aenter__())
        yield lambda version, changes: runner.run(lived(haproxy_binary(version), changes))
        runner.run(origins.__aexit__(None, None, None))


@pytest.mark.haproxy
@pytest.mark.timeout(6 * 3600 if WANTED else 300)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_life(version: str, live: Live) -> None:
    """The running HAProxy, one that is started from its files, and the rules in plain words agree after each change."""

    @settings(LIFE, max_examples=WANTED or LIVES[version])
    @given(st.lists(CHANGES, min_size=1, max_size=12))
    def lives(changes: list[Change]) -> None:
        note(told(changes))
        live(version, changes)

    lives()
