"""``reqMode=sni``: whose the names and ports are, among services of that kind and against HTTPS of the proxy's own."""

from typing import Any

import pytest
from builders import condition, desired_of, reasons, routes, service, snapshot
from tls.around import WITH_TLS

from models.passthrough import PassthroughPort, handover
from models.proxy import Desired
from models.settings import ProxySettings
from models.snapshot import SwarmService

ACCEPTED = ("Accepted", "ResolvedRefs", "Programmed")


def sni(name: str, domain: str = "", *, younger: int = 0, **labels: str) -> SwarmService:
    """Return a service that gets the TLS connections for a domain."""
    given = {"reqMode": "sni", "port": "443"} | ({"serviceDomain": domain} if domain else {})
    return service(name, given | labels, younger=younger)


def web(name: str, domain: str = "", *, younger: int = 0, **labels: str) -> SwarmService:
    """Return an HTTP service, with a path of its own if it has no domain."""
    given = {"port": "80"} | ({"serviceDomain": domain} if domain else {"servicePath": f"/{name}"})
    return service(name, given | labels, younger=younger)


def of(*services: SwarmService, **more: Any) -> Desired:  # noqa: ANN401
    """Return what is desired where port 443 speaks TLS."""
    return desired_of(snapshot(*services), surroundings=WITH_TLS, **more)


def test_an_older_service_has_its_name_passed_through() -> None:
    """The HTTP service is told which requests it does not get, and keeps those by plain HTTP."""
    desired = of(sni("secure", "a.com"), web("site", "a.com", younger=1))
    assert desired.passthrough.names == {"a.com#443": "secure-be443_0"}
    assert routes(desired) == {"a.com#/": "site-be80_0"}
    assert reasons(desired, "secure") == ACCEPTED
    fact = condition(desired, "site", "Accepted")
    assert (fact.status, fact.reason) == ("False", "RouteConflict")
    assert "HTTPS requests for a.com on port 443 are passed through to service secure" in fact.message


def test_an_older_http_service_keeps_its_name() -> None:
    """Nothing is passed through, and the port stays where it is."""
    desired = of(web("site", "a.com"), sni("secure", "a.com", younger=1))
    assert desired.passthrough.ports == ()
    assert reasons(desired, "site") == ACCEPTED
    fact = condition(desired, "secure", "Accepted")
    assert (fact.status, fact.reason) == ("False", "RouteConflict")
    assert "sni:443 a.com is already claimed by service site" in fact.message


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(web("site", "b.com"), id="another name"),
        pytest.param(web("site", "*.com"), id="an ending around it"),
        pytest.param(web("site"), id="a path"),
        pytest.param(web("site", "a.com", srcPort="80"), id="another port"),
        pytest.param(web("site", "a.com", srcHttpsPort="8443", port="", httpsPort="1"), id="another port for HTTPS"),
        pytest.param(web("site", "z.com", redirectFromDomain="b.com"), id="a redirect of another name"),
        pytest.param(web("site", "^a", serviceDomainAlgo="hdr_reg(host)"), id="a name that has to be tested"),
    ],
)
def test_whoever_claims_something_else_is_not_in_the_way(other: SwarmService) -> None:
    """Only exactly the same is a conflict; everything else has an order of precedence."""
    desired = of(other, sni("secure", "a.com", younger=1))
    assert reasons(desired, "site") == reasons(desired, "secure") == ACCEPTED
    assert desired.passthrough.names == {"a.com#443": "secure-be443_0"}


@pytest.mark.parametrize(
    ("one", "domain", "name"),
    [
        pytest.param(web("site", "z.com", redirectFromDomain="a.com"), "a.com", "a.com", id="a redirect"),
        pytest.param(web("site", "*.a.com"), "*.a.com", "*.a.com", id="an ending"),
        pytest.param(web("site", "a.com", serviceDomainAlgo="hdr_dom(host)"), "*.a.com", "*.a.com", id="subdomains"),
        pytest.param(web("site"), "", "everything else", id="a path against everything else"),
        pytest.param(web("site", isDefaultBackend="true"), "*", "everything else", id="default against everything"),
        pytest.param(web("site", "a.com", port="", httpsPort="1"), "a.com", "a.com", id="a port for HTTPS alone"),
    ],
)
def test_the_same_claim_by_other_labels_is_a_conflict(one: SwarmService, domain: str, name: str) -> None:
    """Whichever is older."""
    desired = of(one, sni("secure", domain, younger=1))
    assert name in condition(desired, "secure", "Accepted").message
    assert reasons(desired, "site") == ACCEPTED
    younger = one.model_copy(update={"created_at": service(younger=2).created_at})
    desired = of(younger, sni("secure", domain, younger=1))
    assert condition(desired, "site", "Accepted").reason == "RouteConflict"
    assert reasons(desired, "secure") == ACCEPTED


def test_names_of_http_services_are_handed_over_where_a_wider_claim_would_take_them() -> None:
    """The more specific claim wins, whoever is older."""
    desired = of(sni("secure", "*.com"), web("site", "a.com", younger=1), web("other", "a.org"))
    assert desired.passthrough.names == {"a.com#443": handover(443)}
    assert desired.passthrough.endings == {".com#443": "secure-be443_0"}


def test_one_service_may_have_both() -> None:
    """HTTP by its path, TLS by its name; it does not compete with itself."""
    labels = {"serviceDomain": "a.com", "servicePath.1": "/", "port.1": "80", "reqMode.2": "sni", "port.2": "443"}
    desired = of(service("web", labels))
    assert reasons(desired, "web") == ACCEPTED
    assert desired.passthrough.names == {"a.com#443": "web-be443_2"}
    assert routes(desired) == {"a.com#/": "web-be80_1"}
    assert [backend.mode for backend in desired.backends] == ["tcp", "http"]


def test_the_same_name_twice_in_one_service_is_not_called_older() -> None:
    """The lower index wins."""
    desired = of(service("web", {"reqMode": "sni", "serviceDomain": "a.com", "port.1": "1", "port.2": "2"}))
    assert desired.passthrough.names == {"a.com#443": "web-be1_1"}
    assert "destination 1 of the same service" in condition(desired, "web", "Accepted").message


def test_services_of_one_port_share_it_by_their_names() -> None:
    """Of two for one name the older one has it."""
    desired = of(
        sni("one", "a.com", srcPort="8443"),
        sni("two", "a.com,b.com", srcPort="8443", younger=1),
        sni("three", srcPort="8443", clitcpka="true"),
    )
    assert desired.passthrough.names == {
        "a.com#8443": "one-be443_0",
        "b.com#8443": "two-be443_0",
    }
    assert desired.passthrough.rest == {"8443": "three-be443_0"}
    assert desired.passthrough.ports == (PassthroughPort(8443, keep_alive=True),)
    assert reasons(desired, "two")[0] == "RouteConflict"


@pytest.mark.parametrize("port", [pytest.param("80", id="HTTP"), pytest.param("8080", id="API")])
def test_ports_of_the_proxy_itself_without_tls_are_taken(port: str) -> None:
    """There is nothing in a request by HTTP that could tell them apart."""
    desired = of(sni("secure", "a.com", srcPort=port))
    assert desired.passthrough.ports == ()
    assert "by the proxy itself" in condition(desired, "secure", "Accepted").message
    assert reasons(desired, "secure") == ("PortConflict", "ResolvedRefs", "NotProgrammed")


@pytest.mark.parametrize(("age", "loser"), [(-1, "secure"), (1, "redis")])
def test_a_port_is_for_names_or_for_one_service(age: int, loser: str) -> None:
    """The older one decides."""
    redis = service("redis", {"reqMode": "tcp", "srcPort": "6379", "port": "6379"}, younger=age)
    desired = of(redis, sni("secure", "a.com", srcPort="6379"))
    assert reasons(desired, loser)[0] == "PortConflict"
    assert reasons(desired, ({"redis", "secure"} - {loser}).pop()) == ACCEPTED
    assert len(desired.tcp_frontends) + len(desired.passthrough.ports) == 1


def test_a_port_that_speaks_no_tls_for_want_of_a_certificate_is_nobody_elses() -> None:
    """So what is not claimed is closed, and HTTP services are not in the way."""
    desired = desired_of(snapshot(web("site", "a.com"), sni("secure", "a.com", younger=1)))
    assert desired.passthrough.ports == (PassthroughPort(443),)
    assert reasons(desired, "site") == reasons(desired, "secure") == ACCEPTED
    assert of(sni("secure", "a.com")).passthrough.ports == (PassthroughPort(443, shared=True),)


def test_every_port_with_tls_can_be_shared() -> None:
    """Each has names of its own."""
    settings = ProxySettings(default_ports="80,443:ssl,8443:ssl")
    desired = of(sni("one", "a.com"), sni("two", "a.com", srcPort="8443"), settings=settings)
    assert [port.port for port in desired.passthrough.shared] == [443, 8443]
    assert reasons(desired, "one") == reasons(desired, "two") == ACCEPTED


def test_conflict_resolves_when_the_winner_goes() -> None:
    """The world is judged as a whole each time."""
    secure = sni("secure", "a.com", younger=1)
    assert reasons(of(web("site", "a.com"), secure), "secure") != ACCEPTED
    assert reasons(of(secure), "secure") == ACCEPTED


def test_a_restriction_that_cannot_be_honoured_closes_it() -> None:
    """Whoever asked for users does not get a service that is open to all."""
    desired = of(sni("secure", "a.com", users="ann:secret"))
    assert desired.passthrough.names == {"a.com#443": "secure-be443_0"}
    assert [backend.closed for backend in desired.backends] == [True]
    assert reasons(desired, "secure")[2] == "FailedClosed"
