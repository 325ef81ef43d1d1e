"""A port of the proxy's HTTPS that is shared with services that end TLS themselves, from the first one to the last."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from binaries import VERSIONS
from roles.processes import eventually, plain
from tls.authorities import Authority, Issued
from tls.clients import SecureLoad, shown, status
from tls.conftest import MakeSite, Site
from tls.servers import secure_server


@pytest.fixture
def issued(authority: Authority) -> dict[str, Issued]:
    """The certificates of the proxy and of two services."""
    return {name: authority.issue(f"{name}.example.com") for name in ("proxy", "one", "two")}


@pytest.fixture
def servers(issued: dict[str, Issued], folder: Path) -> Iterator[dict[str, int]]:
    """The ports of the two services."""
    with secure_server(issued["one"], folder / "one") as one, secure_server(issued["two"], folder / "two") as two:
        yield {"one": one, "two": two}


def passed(site: Site, port: int, *names: str) -> dict[str, object]:
    """Return the labels of a service at ``port`` that gets the connections for some names."""
    return {
        "notify": True,
        "reqMode": "sni",
        "serviceDomain": ",".join(names),
        "srcPort": site.https,
        "port": port,
        "outboundHostname": "127.0.0.1",
    }


def configuration(site: Site) -> str:
    """Return the configuration that HAProxy was started from last."""
    return (site.proxy.home / "state/haproxy/current/haproxy.cfg").read_text()


def binds(site: Site) -> list[str]:
    """Return the frontends that listen on the port of HTTPS."""
    sections = re.split(r"\n(?=\w)", configuration(site))
    return [section.split()[1] for section in sections if f"bind *:{site.https}" in section]


def test_sharing_a_port_loses_no_request(
    make_site: MakeSite, issued: dict[str, Issued], servers: dict[str, int], backend: int, binary: Path
) -> None:
    """Neither when the first service comes, nor the others, nor when the last goes and all is as it was.

    More names on a known port need no reload where HAProxy can add a backend; and HTTP services, old and new, keep
    their names within a wider one.
    """
    web = {"web": plain(backend, "/web"), "named": plain(backend, "/", serviceDomain="named.example.com")}
    site = make_site({"proxy.pem": issued["proxy"]}, web)
    before = configuration(site)

    def answers(name: str, who: str) -> None:
        serial = issued[who].serial
        eventually(lambda: shown(site.https, f"{name}.example.com") == serial, f"{name} is answered by {who}")

    assert binds(site) == ["services"]
    with SecureLoad(site.https, "/web") as load, SecureLoad(site.https, "/web") as more:
        one = {"one": passed(site, servers["one"], "one.example.com")}
        site.services(web | one)
        answers("one", "one")
        assert binds(site) == [f"service_{site.https}"]
        assert status(site.https, "/web") == 200

        two = {"two": passed(site, servers["two"], "*.example.com")}
        site.services(web | one | two)
        answers("any", "two")
        answers("one", "one")
        answers("named", "proxy")

        shop = {"shop": plain(backend, "/", serviceDomain="shop.example.com")}
        site.services(web | one | two | shop)
        answers("shop", "proxy")
        answers("any", "two")

        site.services(web | two)
        answers("one", "two")
        site.services(web)
        answers("one", "proxy")
        assert binds(site) == ["services"]
    assert load.errors + more.errors == []
    assert load.answers.keys() | more.answers.keys() == {200}
    assert configuration(site) == before
    expected = 2 if "3.4" in binary.name else 4
    eventually(
        lambda: site.proxy.metric("swarmgate_reconcile_total", outcome="reload") >= expected, "all reloads are counted"
    )
    assert site.proxy.metric("swarmgate_reconcile_total", outcome="reload") == expected


@pytest.mark.parametrize("binary", [pytest.param(VERSIONS[-1], marks=pytest.mark.haproxy)], indirect=True)
def test_a_pattern_that_haproxy_refuses_costs_its_service_alone(
    make_site: MakeSite, issued: dict[str, Issued], servers: dict[str, int], backend: int
) -> None:
    """Among the rules that are for all, each line has its owner: for names as for paths."""
    site = make_site({"proxy.pem": issued["proxy"]})
    one = passed(site, servers["one"], "one.example.com")
    refused = passed(site, servers["two"]) | {"pathType": "req_ssl_sni -i -m reg", "servicePath": "^(two"}
    site.services(
        {
            "web": plain(backend, "/web"),
            "one": one,
            "two": {name: value for name, value in refused.items() if value},
            "three": plain(backend, "^/(three", pathType="path_reg"),
        }
    )
    eventually(lambda: shown(site.https, "one.example.com") == issued["one"].serial, "the one beside it answers")
    for name in ("two", "three"):
        fact = eventually(lambda n=name: site.proxy.condition(n, "Programmed"), "it is told")
        assert (fact["reason"], "regex" in fact["message"]) == ("ConfigRejected", True)
    assert status(site.https, "/web") == 200
