"""What real HAProxys tell of some backends, and of themselves."""

from haproxy.worlds import world

from controller.changes import Plan
from controller.haproxy.dataplane import HAProxyDataplane


async def test_only_what_was_asked_for_is_told_with_its_servers(dataplane: HAProxyDataplane, port: int) -> None:
    """Of a backend that is not there nothing is told, and it is no error: it may just have gone."""
    backends = {"web": {"one": 8001, "two": 8002}, "other": {"other": 8003}}
    files = world(runtime_socket=dataplane.runtime_socket, port=port, backends=backends, routes={"/web": "web"})
    await dataplane.apply(Plan(start=True), files)
    rows = await dataplane.statistics_of(["web", "gone"])
    assert [(row.backend, row.server, row.status, row.total) for row in rows] == [
        ("web", "one", "no check", 0),
        ("web", "two", "no check", 0),
        ("web", "", "UP", 0),
    ]
    assert await dataplane.statistics_of([]) == ()


async def test_a_worker_tells_its_version_and_its_load(dataplane: HAProxyDataplane, port: int, version: str) -> None:
    await dataplane.apply(Plan(start=True), world(runtime_socket=dataplane.runtime_socket, port=port))
    load = await dataplane.load()
    assert load.version.startswith(version)
    assert 0 <= load.connections < load.most_connections
