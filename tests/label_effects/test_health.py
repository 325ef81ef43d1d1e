"""What health checks do to requests."""

import asyncio
from pathlib import Path

import pytest
from label_effects.edge import Edge, Origin, behind, edge, running, server_tls
from label_effects.reading import destination_of, problem_of

from models.labels.health import HttpCheck


async def checked(proxy: Edge, origin: Origin, name: str = "web") -> str:
    """Wait for the first health check and return what HAProxy makes of the server: ``UP`` or ``DOWN``."""
    for _ in range(400):
        status = proxy.runtime(f"show stat {name}-be{origin.port}_0 4 -1").splitlines()
        fields = dict(zip(status[0].removeprefix("# ").split(","), status[1].split(","), strict=False))
        if fields["status"] == "DOWN" or fields["check_status"] in {"L7OK", "L4OK"}:
            return fields["status"].split(" ")[0]
        await asyncio.sleep(0.02)
    raise AssertionError(f"there was no health check: {fields}")


@pytest.mark.parametrize(
    ("value", "status"),
    [
        pytest.param("/health", "UP", id="any good status"),
        pytest.param("/health,200", "UP", id="this status"),
        pytest.param("/health,204", "DOWN", id="another status"),
        pytest.param("/fail", "DOWN", id="an error"),
        pytest.param("/fail,500", "UP", id="an error that is wanted"),
    ],
)
async def test_check_http(binary: Path, folder: Path, origin: Origin, value: str, status: str) -> None:
    """A server that answers otherwise gets no requests."""
    async with edge(binary, folder, behind(origin, {"checkHttp": value})) as proxy:
        assert await checked(proxy, origin) == status
        assert origin.got()[":path"] == [value.split(",", maxsplit=1)[0]]
        assert origin.got()["host"] == ["localhost"]
        assert (await proxy.ask()).status == (200 if status == "UP" else 503)


async def test_check_tcp(binary: Path, folder: Path, origin: Origin) -> None:
    """A server that cannot be connected to is down; one that can is sent nothing by the check."""
    gone = Origin(port=1)
    services = behind(origin, {"checkTcp": "true"}), behind(gone, {"checkTcp": "true"}, name="gone")
    async with edge(binary, folder, *services) as proxy:
        assert await checked(proxy, origin) == "UP"
        assert await checked(proxy, gone, "gone") == "DOWN"
        assert origin.heads == []


async def test_without_checks(binary: Path, folder: Path, origin: Origin) -> None:
    """Swarm alone says who is well, and HAProxy does not ask."""
    async with edge(binary, folder, behind(origin, {"checkResolvers": "true"})) as proxy:
        assert (await proxy.ask()).status == 200
        assert ",no check," in proxy.runtime(f"show stat web-be{origin.port}_0 4 -1")


@pytest.mark.parametrize("labels", [{"checkTcp": "true"}, {"checkHttp": "/health"}])
async def test_checks_with_tcp(binary: Path, folder: Path, origin: Origin, labels: dict[str, str]) -> None:
    """TCP services can be checked in both ways."""
    tcp = {"reqMode": "tcp", "srcPort": "6379", "servicePath": ""}
    async with edge(binary, folder, behind(origin, labels | tcp)) as proxy:
        assert await checked(proxy, origin) == "UP"


async def test_ssl_verify_none(binary: Path, folder: Path) -> None:
    """The service is spoken to by TLS, whoever signed its certificate; health checks too."""
    origin = Origin(tls=server_tls(folder))
    labels = {"sslVerifyNone": "true", "checkHttp": "/health"}
    async with (
        running(origin),
        edge(binary, folder, behind(origin, labels), behind(origin, name="plain")) as proxy,
    ):
        assert await checked(proxy, origin) == "UP"
        assert (await proxy.ask()).status == 200
        assert (await proxy.ask("/plain")).status == 502


@pytest.mark.parametrize(
    ("value", "check"),
    [
        pytest.param("/", HttpCheck("/"), id="root"),
        pytest.param("/health?full=1&x=%20", HttpCheck("/health?full=1&x=%20"), id="query"),
        pytest.param("/health,204", HttpCheck("/health", 204), id="status"),
    ],
)
def test_accepted(value: str, check: HttpCheck) -> None:
    """A path, and maybe a status."""
    assert destination_of({"checkHttp": value}).health.check_http == check


@pytest.mark.parametrize("value", ["health", "/health,", "/health,20", "/health,600", "/a b", "/a,b,200", "/%zz"])
def test_refused(value: str) -> None:
    """Anything else is refused."""
    assert "is not of the form /path or /path,status" in problem_of({"checkHttp": value})
