"""A reload waits for what came while the world was read: it would cost a second one."""

import pytest
from isolation.conftest import Proxy

from controller.loop import Round
from controller.reload_gate import ReloadGate

SECONDS = 60.0


@pytest.mark.parametrize("is_overtaken", [False, True])
async def test_a_reload_waits_for_changes_that_came_meanwhile(proxy: Proxy, *, is_overtaken: bool) -> None:
    proxy.put("first", {"servicePath": "/first"})
    await proxy.converge()
    proxy.reconciler.gate = ReloadGate(quiet=SECONDS, longest=SECONDS, interval=0)
    proxy.put("second", {"servicePath": "/second", "reqPathSearchReplace": "/second,/"})
    result = await proxy.reconciler.reconcile(
        Round(resync=False, dirty_since=None, overtaken=lambda: is_overtaken),
    )
    assert await proxy.status("/second") == (503 if is_overtaken else 200)
    if is_overtaken:
        assert result.requeue_after == pytest.approx(SECONDS, abs=5)
