"""A controller is killed at every single step of a change: the next one carries it through, and nobody else notices."""

from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary
from lifetime.living import Life, living
from lifetime.twin import said
from lifetime.world import Certify, Change, Put, Relabel, Remove, Run, Together

PLAIN = {"servicePath": "/a", "port": "{origin}"}
GUARDED = PLAIN | {"servicePath": "/b", "users": "ann:a,bob:b"}
SHARED = PLAIN | {"servicePath": "/shop", "trafficGroup": "shop"}
BEFORE = Together(
    (
        Put("s0", PLAIN | {"serviceDomain": "*.x.com"}, 0),
        Put("s1", GUARDED, 0),
        Put("s2", SHARED, 0),
        Put("s3", PLAIN | {"servicePath": "/gone", "serviceDomain": "y.org", "discoveryType": "DNS"}, 0),
        Run("s3", ((1, 1), (2, 2))),
        Remove("s4"),
        Certify((("exact", 0), ("wild", 0))),
    )
)
CHANGED = (
    Relabel("s0", {"serviceDomain": "*.x.com,*x.com,x.com", "servicePath": "/a,/a;v=1"}),
    Relabel("s1", {"users": "ann:b"}),
    Run("s3", ((1, 3), (3, 4))),
    Certify((("exact", 1), ("other", 0))),
)
"""What every version can do at run time."""
MOST = 200
"""More steps than the change takes."""


async def converged(life: Life, change: Change) -> dict[str, object]:
    """Let a change happen, and return what HAProxy then says of itself."""
    await life.survives(change, MOST)
    return await said(life.site.dataplane.runtime_socket)


@pytest.mark.fault("controller", "it is killed after each single step of a change")
@pytest.mark.haproxy
@pytest.mark.timeout(300)
@pytest.mark.parametrize(
    ("version", "change"),
    [
        *(pytest.param(version, Together(CHANGED), id=f"{version} changed") for version in (VERSIONS[0], VERSIONS[-1])),
        pytest.param("3.4", Together((Put("s4", SHARED, 1), Remove("s3"))), id="3.4 added and removed"),
        pytest.param("3.4", Relabel("s0", {"setReqHeader": "X-Set one"}), id="3.4 reloaded"),
    ],
)
async def test_a_controller_is_killed_at_every_step(version: str, change: Change, folder: Path) -> None:
    """Whatever it has done by then."""
    async with living(haproxy_binary(version), folder) as life:
        before, after = await converged(life, BEFORE), await converged(life, change)
        assert await converged(life, BEFORE) == before
        steps = 0
        while await life.survives(change, steps):
            assert await said(life.site.dataplane.runtime_socket) == after, f"killed after {steps} steps"
            assert await converged(life, BEFORE) == before
            steps += 1
        assert 3 <= steps < MOST
