"""What went wrong in Docker Flow when a service or a certificate was bad, or wanted what another one had."""

from pathlib import Path

import pytest
from failures.conftest import Site
from haproxy.loopback import free_port
from roles.processes import eventually

BROKEN = "timeout server soon"
"""A line that may be written, and that HAProxy refuses."""


def test_f01_a_bad_directive_costs_its_own_service_only(site: Site) -> None:
    """F1: it was dropped after twenty seconds in which nothing else could change, over and over."""
    site.services["fresh-bad"] = site.services["good"] | {"servicePath": "/fresh-bad", "backendExtra": BROKEN}
    site.put("fresh-good", "/fresh-good")
    site.answers("/fresh-good")
    assert "timeout server" in site.told("fresh-bad", "ConfigRejected")
    assert site.proxy.status("/fresh-bad") == 503
    site.put("fresh-bad", "/fresh-bad")
    site.answers("/fresh-bad")


def test_f02_a_service_that_becomes_invalid_takes_no_other_with_it(site: Site) -> None:
    """F2: every later change failed, and the innocent newcomer was removed."""
    site.put("turning", "/turning")
    site.answers("/turning")
    site.put("turning", "/turning", port="http")
    assert "com.df.port='http'" in site.told("turning", "InvalidLabel")
    site.put("unresolvable", "/unresolvable", outboundHostname="no-such-host.invalid")
    site.put("newcomer", "/newcomer")
    site.answers("/newcomer")
    assert site.told("turning", "LastGoodKept")
    assert site.told("unresolvable", "HostNotResolved")
    assert [site.proxy.status(path) for path in ("/turning", "/good")] == [200, 200]


def test_f03_one_bad_service_at_the_start_is_left_out(site: Site) -> None:
    """F3: nothing was served, for ever, and the health check was green."""
    assert site.proxy.ready()
    assert site.proxy.status("/good") == 200
    assert site.proxy.status("/bad") == 503
    assert "timeout server" in site.told("bad", "ConfigRejected")


@pytest.mark.fault("machine", "the certificate in a label cannot be parsed", condition="InvalidLabel")
def test_f04_a_bad_certificate_is_left_out_and_told(site: Site) -> None:
    """F4: the whole configuration was invalid."""
    site.put("secure", "/secure", serviceDomain="secure.example", serviceCert="not a certificate")
    site.put("beside", "/beside")
    site.answers("/beside")
    assert "com.df.serviceCert" in site.told("secure", "InvalidLabel")


def test_f11_a_route_that_is_taken_is_refused_and_told(site: Site) -> None:
    """F11: the first in the alphabet won, and nobody was told."""
    site.put("z-rival", "/wanted")
    site.answers("/wanted")
    site.put("a-rival", "/wanted,/other")
    site.answers("/other")
    told = eventually(
        lambda: [name for name in ("z-rival", "a-rival") if "RouteConflict" in site.messages(name)], "one is told"
    )
    assert len(told) == 1
    assert site.proxy.status("/wanted") == 200


def test_f12_a_name_that_is_taken_is_refused_and_told(site: Site) -> None:
    """F12: one service's files overwrote the other's."""
    site.put("named", "/named", aclName="shared-name")
    site.answers("/named")
    site.put("same-name", "/same-name", aclName="shared-name")
    told = eventually(
        lambda: [name for name in ("named", "same-name") if "NameConflict" in site.messages(name)], "one is told"
    )
    assert len(told) == 1
    assert sorted(site.proxy.status(path) for path in ("/named", "/same-name")) == [200, 503]


def test_f13_a_port_that_is_taken_is_refused_and_told(site: Site) -> None:
    """F13: connections landed on either service, or on either frontend."""
    tcp = {"reqMode": "tcp", "port": site.port, "outboundHostname": "127.0.0.1"}
    port = free_port()
    site.put("redis", srcPort=port, **tcp)
    site.put("other-redis", srcPort=port, **tcp)
    site.put("on-http", srcPort=site.proxy.http, **tcp)
    told = eventually(
        lambda: [name for name in ("redis", "other-redis") if "PortConflict" in site.messages(name)], "one is told"
    )
    assert len(told) == 1
    assert "the proxy itself" in site.told("on-http", "PortConflict")
    assert site.proxy.status("/good") == 200


def test_f15_the_files_are_those_that_haproxy_runs(site: Site) -> None:
    """F15: the configuration in force was overwritten before anybody had looked whether HAProxy takes it."""
    site.put("refused", "/refused", backendExtra=BROKEN)
    site.told("refused", "ConfigRejected")
    files = Path(site.proxy.home / "state" / "haproxy" / "current" / "haproxy.cfg")
    assert "server soon" not in files.read_text(encoding="utf-8")
    assert "server soon" not in site.proxy.get("/v1/docker-flow-proxy/config").text
    assert "backend good-be" in files.read_text(encoding="utf-8")


def test_f18_a_service_without_replicas_breaks_nothing(site: Site) -> None:
    """F18: its name did not resolve, and nothing else could be configured."""
    site.put("scaled", "/scaled")
    site.answers("/scaled")
    site.put("scaled", "/scaled", replicas=0)
    site.answers("/scaled", 503)
    site.told("scaled", "SwitchedOff")
    site.put("after", "/after")
    site.answers("/after")
