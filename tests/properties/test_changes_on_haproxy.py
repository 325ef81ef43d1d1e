"""Whatever happens to the services, a running HAProxy is what its files say, and answers as the rules say.

Longer runs: ``SWARMGATE_LIFETIMES=200`` has so many lives lived on each version, other ones every time.
"""

import asyncio
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from haproxy.loopback import free_port
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st
from lifetime.living import Life
from lifetime.origins import origins
from lifetime.site import Surrounded, site
from lifetime.world import ADDRESSES, CHANGES, Change, Ports, pem_of, told

from controller.pem import read_certificate, split_pem
from models.certificates import CertificateSource
from models.settings import Bind, ProxySettings

WANTED = int(os.environ.get("SWARMGATE_LIFETIMES", "0"))
LIVES = {"2.8": 2, "3.0": 2, "3.4": 8}
PHASES = [Phase.explicit, Phase.generate, *([Phase.shrink] if os.environ.get("SHRINK") else [])]
LIFE = settings(
    derandomize=not WANTED,
    deadline=None,
    database=None,
    phases=PHASES,
    print_blob=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)

Live = Callable[[str, Sequence[Change]], None]


@pytest.fixture(scope="module")
def live() -> Iterator[Live]:
    """Have changes happen to a new HAProxy of a version."""
    names = Ports.__dataclass_fields__
    ports = Ports(**{name: free_port() for name in names})
    with asyncio.Runner() as runner, tempfile.TemporaryDirectory(prefix="sg-", dir="/tmp") as home:
        serving = origins(ADDRESSES, plain=(ports.origin, ports.other), secure=ports.secure, folder=Path(home))
        runner.run(serving.__aenter__())
        yield lambda version, changes: runner.run(_live(haproxy_binary(version), ports, changes))
        runner.run(serving.__aexit__(None, None, None))


async def _live(binary: Path, ports: Ports, changes: Sequence[Change]) -> None:
    folder = Path(tempfile.mkdtemp(prefix="sg-", dir="/tmp"))
    (folder / "state").mkdir()
    proxy = ProxySettings(
        state_dir=folder / "state",
        run_dir=folder / "run",
        default_ports=(Bind(port=ports.http), Bind(port=ports.https, ssl=True)),
        extra_frontend="http-after-response set-header X-Backend %[be_name]",
        maxconn=500,
    )
    fallback = read_certificate("fallback", CertificateSource.SELF_SIGNED, split_pem(pem_of("none", 0)))
    async with site(binary, folder, proxy, Surrounded(fallback=fallback)) as made:
        life = Life(made, ports, folder)
        await life.begin()
        await life.live(changes)
        await life.end()


@pytest.mark.haproxy
@pytest.mark.timeout(3600 if WANTED else 300)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_life(version: str, live: Live) -> None:
    """The running HAProxy, one that is started from its files, and the rules in plain words agree after each change."""

    @settings(LIFE, max_examples=WANTED or LIVES[version])
    @given(st.lists(CHANGES, min_size=1, max_size=12))
    def lives(changes: list[Change]) -> None:
        note(told(changes))
        live(version, changes)

    lives()
