"""What the labels of redirects do to requests."""

from pathlib import Path

import pytest
from label_effects.edge import Origin, behind, edge

CHALLENGE = "/.well-known/acme-challenge/token"


async def test_https_only(binary: Path, folder: Path, origin: Origin) -> None:
    """By HTTP a client is told to come by HTTPS, with path and query; by HTTPS it is served."""
    async with edge(binary, folder, behind(origin, {"httpsOnly": "true"})) as proxy:
        redirected = await proxy.ask("/web/a?b=c")
        assert (redirected.status, redirected.headers["location"]) == (302, "https://web.test/web/a?b=c")
        assert (await proxy.ask("/web/a", tls=True)).status == 200


async def test_without_https_only(binary: Path, folder: Path, origin: Origin) -> None:
    """Nobody is sent anywhere without a label."""
    async with edge(binary, folder, behind(origin)) as proxy:
        assert (await proxy.ask("/web/a")).status == 200
        assert (await proxy.ask("/web/a", "X-Forwarded-Proto: http")).status == 200


@pytest.mark.parametrize("code", ["301", "302", "303", "307", "308"])
async def test_https_redirect_code(binary: Path, folder: Path, origin: Origin, code: str) -> None:
    """The status of the redirect can be chosen."""
    async with edge(binary, folder, behind(origin, {"httpsOnly": "true", "httpsRedirectCode": code})) as proxy:
        assert (await proxy.ask("/web")).status == int(code)


async def test_a_code_alone_redirects_nobody(binary: Path, folder: Path, origin: Origin) -> None:
    """The code is about redirects that other labels ask for."""
    async with edge(binary, folder, behind(origin, {"httpsRedirectCode": "301"})) as proxy:
        assert (await proxy.ask("/web")).status == 200


async def test_https_only_per_destination(binary: Path, folder: Path, origin: Origin) -> None:
    """A destination can be redirected while another is not."""
    labels = {"servicePath.1": "/one", "servicePath.2": "/two", "httpsOnly.2": "true"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/one")).status == 200
        assert (await proxy.ask("/two")).status == 302


async def test_a_bare_https_only_is_inherited(binary: Path, folder: Path, origin: Origin) -> None:
    """All destinations are redirected but those that say otherwise; DFP let none say so."""
    labels = {"httpsOnly": "true", "servicePath.1": "/one", "httpsOnly.1": "false", "servicePath.2": "/two"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/one")).status == 200
        assert (await proxy.ask("/two")).status == 302


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("X-Forwarded-Proto: http", 301, id="http"),
        pytest.param("X-Forwarded-Proto: HTTP", 301, id="letter case"),
        pytest.param("X-Forwarded-Proto: https", 200, id="https"),
        pytest.param("X-Other: 1", 200, id="none"),
    ],
)
async def test_redirect_when_http_proto(binary: Path, folder: Path, origin: Origin, header: str, status: int) -> None:
    """What ends TLS before the proxy says how the client came; nothing said is no reason."""
    labels = {"redirectWhenHttpProto": "true", "httpsRedirectCode": "301"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/web", header)).status == status


@pytest.mark.parametrize(
    ("header", "status"),
    [
        pytest.param("X-Forwarded-Proto: http", 302, id="http"),
        pytest.param("X-Forwarded-Proto: https", 200, id="https"),
        pytest.param("X-Other: 1", 302, id="none"),
    ],
)
async def test_redirect_unless_https_proto(
    binary: Path, folder: Path, origin: Origin, header: str, status: int
) -> None:
    """Whoever is not said to have come by HTTPS is redirected; who came to the proxy by TLS did."""
    async with edge(binary, folder, behind(origin, {"redirectUnlessHttpsProto": "true"})) as proxy:
        assert (await proxy.ask("/web", header)).status == status
        assert (await proxy.ask("/web", tls=True)).status == 200


@pytest.mark.parametrize("label", ["httpsOnly", "redirectWhenHttpProto", "redirectUnlessHttpsProto"])
async def test_challenges_are_never_redirected(binary: Path, folder: Path, origin: Origin, label: str) -> None:
    """A certificate authority fetches its challenge by HTTP."""
    labels = {label: "true", "servicePath": "/"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask(CHALLENGE, "X-Forwarded-Proto: http")).status == 200
        assert (await proxy.ask("/.well-known/other", "X-Forwarded-Proto: http")).status == 302


async def test_redirect_from_domain(binary: Path, folder: Path, origin: Origin) -> None:
    """Requests for a former domain are sent on to the first of today's, path and query kept, by the same protocol."""
    labels = {"serviceDomain": "web.test,other.test", "redirectFromDomain": "old.test,older.test"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        for host in ("old.test", "OLDER.test.:80"):
            answer = await proxy.ask("/a?b=c", host=host)
            assert (answer.status, answer.headers["location"]) == (301, "http://web.test/a?b=c")
        secure = await proxy.ask("/a", host="old.test", tls=True)
        assert secure.headers["location"] == "https://web.test/a"
        assert (await proxy.ask("/web", host="other.test")).status == 200
        assert (await proxy.ask("/web", host="veryold.test")).status == 503


async def test_service_domain_match_all(binary: Path, folder: Path, origin: Origin) -> None:
    """The former label for "this domain and all below"."""
    labels = {"serviceDomain": "web.test", "serviceDomainMatchAll": "true"}
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        assert (await proxy.ask("/web", host="web.test")).status == 200
        assert (await proxy.ask("/web", host="a.web.test:8080")).status == 200
        assert (await proxy.ask("/web", host="notweb.test")).status == 503
