"""Connections that clients keep while HAProxy reloads, or ends: the next request is answered, by what holds then."""

import asyncio
import http.client
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from functools import partial

import pytest
from haproxy.loopback import until_refused
from label_effects.edge import Origin, behind, running
from tls.authorities import Authority
from tls.clients import context
from tls.files import HERE, RELOAD, Files

from controller.changes import Plan
from controller.haproxy.dataplane import HAProxyDataplane


@pytest.fixture
async def origins() -> AsyncIterator[tuple[Origin, Origin]]:
    """Two servers."""
    one, other = Origin("one"), Origin("other")
    async with running(one, other):
        yield one, other


@pytest.fixture
def files(dataplane: HAProxyDataplane, authority: Authority) -> Files:
    """Makes the files of worlds."""
    return Files(dataplane, authority, maxconn=100)


class Kept:
    """A connection that is not made anew when it ends: what is asked then raises `http.client.NotConnected`."""

    def __init__(self, connection: http.client.HTTPConnection) -> None:
        connection.connect()
        connection.auto_open = 0
        self._connection = connection

    async def ask(self, path: str = "/web", method: str = "GET", **headers: str) -> http.client.HTTPResponse:
        """Send a request and return its answer, the body of which has been read."""
        return await asyncio.to_thread(self._ask, path, method, headers)

    def _ask(self, path: str, method: str, headers: dict[str, str]) -> http.client.HTTPResponse:
        self._connection.request(method, path, headers=headers)
        response = self._connection.getresponse()
        response.read()
        return response


@pytest.fixture(params=["http", "https"])
def connect(request: pytest.FixtureRequest, files: Files) -> Iterator[Callable[[], Kept]]:
    """Connects to the proxy, without TLS or with it."""
    made: list[http.client.HTTPConnection] = []

    def connect() -> Kept:
        made.append(
            http.client.HTTPConnection(HERE, files.http, timeout=10)
            if request.param == "http"
            else http.client.HTTPSConnection(HERE, files.https, timeout=10, context=context())
        )
        return Kept(made[-1])

    yield connect
    for connection in made:
        connection.close()


Connect = Callable[[], Kept]
Origins = tuple[Origin, Origin]


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_reload_loses_nobody_who_keeps_a_connection(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins, method: str
) -> None:
    """The next request goes where it is to go now, and then the connection ends in good manners."""
    one, other = origins
    await dataplane.apply(Plan(start=True), files.of(behind(one)))
    kept, silent = connect(), connect()
    assert (await kept.ask(method=method)).headers["X-Origin"] == "one"
    await dataplane.apply(RELOAD, files.of(behind(other)))
    for connection in (kept, silent):
        answer = await connection.ask(method=method)
        assert (answer.status, answer.headers["X-Origin"]) == (200, "other")
        assert answer.headers["Connection"] == "close"
        with pytest.raises(http.client.NotConnected):
            await connection.ask()


async def test_two_reloads_are_as_good_as_one(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins
) -> None:
    one, other = origins
    await dataplane.apply(Plan(start=True), files.of(behind(one)))
    kept = connect()
    await kept.ask()
    await dataplane.apply(RELOAD, files.of(behind(one), behind(other, name="more")))
    await dataplane.apply(RELOAD, files.of(behind(other)))
    assert (await kept.ask()).headers["X-Origin"] == "other"


async def test_a_rule_that_came_with_the_reload_holds_for_kept_connections(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins
) -> None:
    """Also where the former worker knows it otherwise: a password that was changed, a service that is gone."""
    one, _ = origins
    await dataplane.apply(Plan(start=True), files.of(behind(one), behind(one, name="gone")))
    first, second = connect(), connect()
    assert [(await each.ask(path)).status for each, path in ((first, "/web"), (second, "/gone"))] == [200, 200]
    await dataplane.apply(RELOAD, files.of(behind(one, {"users": "admin:secret"})))
    assert (await first.ask()).status == 401
    assert (await second.ask("/gone")).status == 503


@pytest.mark.parametrize("trusted", ["", f"{HERE}/32"])
async def test_a_service_is_told_the_same_of_a_client(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins, trusted: str
) -> None:
    """That two workers were on the way is nobody's business."""
    one, other = origins
    make = partial(files.of, trusted_proxies=trusted) if trusted else files.of
    await dataplane.apply(Plan(start=True), make(behind(one)))
    kept = connect()
    await kept.ask()
    await dataplane.apply(RELOAD, make(behind(other)))
    await kept.ask()
    assert other.got() == one.got()
    assert other.got()["x-forwarded-for"] == [HERE]


@pytest.mark.parametrize("given", [{}, {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}])
async def test_a_trace_goes_on_through_both_workers(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins, given: dict[str, str]
) -> None:
    """The one that a request brings; or one begins, and not one in each of them."""
    one, other = origins
    make = partial(files.of, traceparent="true")
    await dataplane.apply(Plan(start=True), make(behind(one)))
    kept = connect()
    await kept.ask(**given)
    await dataplane.apply(RELOAD, make(behind(other)))
    await kept.ask(**given)
    for origin in origins:
        (trace,) = origin.got()["traceparent"]
        assert trace == given.get("traceparent", trace)


async def test_whoever_has_shown_a_certificate_stays_known(
    dataplane: HAProxyDataplane, files: Files, authority: Authority, origins: Origins
) -> None:
    """It cannot be shown to the other worker, so the former one answers."""
    one, _ = origins
    trusted, client = dataplane.runtime_socket.with_name("ca.pem"), dataplane.runtime_socket.with_name("client.pem")
    trusted.write_text(authority.pem)
    client.write_text(authority.issue("client").pem)
    make = partial(files.of, ca_file=str(trusted))
    guarded = behind(one, {"verifyClientSsl": "true"})
    await dataplane.apply(Plan(start=True), make(guarded))
    with closing(
        http.client.HTTPSConnection(HERE, files.https, timeout=10, context=context(certificate=client))
    ) as connection:
        kept = Kept(connection)
        assert (await kept.ask()).status == 200
        await dataplane.apply(RELOAD, make(guarded, behind(one, name="more")))
        answer = await kept.ask()
        assert (answer.status, answer.headers["Connection"]) == (200, "close")


async def test_a_proxy_that_ends_answers_those_who_keep_a_connection(
    dataplane: HAProxyDataplane, files: Files, connect: Connect, origins: Origins
) -> None:
    """There is nobody to take over, so the worker that there is answers as before."""
    one, _ = origins
    await dataplane.apply(Plan(start=True), files.of(behind(one)))
    kept = connect()
    await kept.ask()
    ending = asyncio.create_task(dataplane.stop(10))
    await until_refused(files.http)
    answer = await kept.ask()
    assert (answer.status, answer.headers["X-Origin"], answer.headers["Connection"]) == (200, "one", "close")
    await ending
