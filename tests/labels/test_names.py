"""``reqMode=sni``: what names can be claimed by which labels, and which labels mean nothing there."""

from datetime import UTC, datetime

import pytest
from builders import read

from models.claims import name_claims_of
from models.predicates import Predicate

SNI = {"reqMode": "sni", "port": "443"}


def claimed(labels: dict[str, str]) -> list[str | Predicate]:
    """Read labels that must be valid; return the names, endings and tests that they claim on port 443."""
    reading = read(SNI | labels)
    assert reading.problems == ()
    assert reading.service is not None
    (destination,) = reading.service.destinations
    (way,) = reading.service.ways(destination)
    claims = list(name_claims_of(reading.service, destination, way, datetime.now(UTC)))
    assert {(claim.port, claim.backend) for claim in claims} == {(443, "web-be443_0")}
    return [claim.test or claim.name for claim in claims]


def by(method: str, text: str) -> Predicate:
    """Return a test of the name."""
    return Predicate("var(txn.host)", (text,), ("-i", "-m", method))


@pytest.mark.parametrize(
    ("labels", "names"),
    [
        pytest.param({}, ["*"], id="nothing"),
        pytest.param({"serviceDomain": "A.com:443,b.com."}, ["a.com", "b.com"], id="domains"),
        pytest.param({"serviceDomain": "*.a.com,*b.com,*"}, ["*.a.com", "*b.com", "*"], id="endings"),
        pytest.param(
            {"serviceDomain": "a.com", "serviceDomainAlgo": "hdr_dom(host)"}, ["a.com", "*.a.com"], id="subdomains"
        ),
        pytest.param(
            {"serviceDomain": "*a.com", "serviceDomainAlgo": "hdr_end(host)"}, ["*a.com"], id="endings by algorithm"
        ),
        pytest.param(
            {"serviceDomain": "^a,b$", "serviceDomainAlgo": "hdr_reg(host)"},
            [by("reg", "^a"), by("reg", "b$")],
            id="tests by algorithm",
        ),
        pytest.param({"servicePath": "A.com", "pathType": "req_ssl_sni"}, ["a.com"], id="DFP: name"),
        pytest.param({"servicePath": "a.com,*.b.com", "pathType": "req.ssl_sni -i"}, ["a.com", "*.b.com"], id="names"),
        pytest.param(
            {"servicePath": ".a.com,b.com", "pathType": "req.ssl_sni -m end"}, ["*.a.com", "*b.com"], id="end"
        ),
        pytest.param({"servicePath": "a.com", "pathType": "ssl_fc_sni_end -i"}, ["*a.com"], id="end in another form"),
        pytest.param({"servicePath": "a.com", "pathType": "req.ssl_sni -i -m str"}, ["a.com"], id="str"),
        pytest.param(
            {"servicePath": "^a\\.,^b", "pathType": "req_ssl_sni -i -m reg"},
            [by("reg", "^a\\."), by("reg", "^b")],
            id="DFP: expressions",
        ),
        pytest.param({"servicePath": "test.", "pathType": "req_ssl_sni -i -m beg"}, [by("beg", "test.")], id="beg"),
        pytest.param({"servicePath": "x", "pathType": "req.ssl_sni -m sub -i"}, [by("sub", "x")], id="sub"),
        pytest.param({"servicePath": "x", "pathType": "ssl_fc_sni -m dom"}, [by("dom", "x")], id="dom"),
        pytest.param({"servicePath": "x", "pathType": "ssl_fc_sni_reg"}, [by("reg", "x")], id="reg in another form"),
        pytest.param(
            {"serviceDomain": "a.com", "servicePath": "b.com", "pathType": "req.ssl_sni"}, ["a.com", "b.com"], id="both"
        ),
        pytest.param({"httpsPort": "444", "serviceDomain": "a.com"}, ["a.com"], id="a port for HTTPS means nothing"),
    ],
)
def test_what_is_claimed(labels: dict[str, str], names: list[str | Predicate]) -> None:
    """Names and endings are data, whichever label they come from; everything else is a test, in any letter case."""
    assert claimed(labels) == names


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"timeoutClient": "5", "timeoutServer": "5", "timeoutTunnel": "5"}, id="timeouts"),
        pytest.param({"clitcpka": "true", "checkTcp": "true", "checkResolvers": "true"}, id="TCP"),
        pytest.param({"allowedSrc": "10.0.0.0/8", "deniedSrc": "10.0.0.1", "rateLimit": "5/m"}, id="addresses"),
        pytest.param({"discoveryType": "DNS", "outboundHostname": "a.com", "balanceGroup": "leastconn"}, id="servers"),
        pytest.param({"sslVerifyNone": "false"}, id="what is not asked for"),
        pytest.param({"srcPort": "443", "pathType": "req.ssl_sni"}, id="a kind of name without a name"),
    ],
)
def test_labels_of_connections_go_with_it(labels: dict[str, str]) -> None:
    """They are about connections, whatever is inside."""
    assert read(SNI | labels).problems == ()


@pytest.mark.parametrize(
    ("label", "value", "why"),
    [
        pytest.param("sslVerifyNone", "true", "TLS is between client and service", id="sslVerifyNone"),
        pytest.param("sslVerifyCa", "ca-internal", "TLS is between client and service", id="sslVerifyCa"),
        pytest.param("serviceGroup", "pool", "one name has one service", id="serviceGroup"),
        pytest.param("checkHttp", "/health", "use checkTcp", id="checkHttp"),
    ],
)
def test_labels_that_need_tls_to_end_here_are_refused(label: str, value: str, why: str) -> None:
    """Each says why."""
    (problem,) = read(SNI | {label: value}).problems
    assert problem.text.startswith(f"com.df.{label} cannot be honoured with reqMode=sni: ")
    assert why in problem.text


@pytest.mark.parametrize(
    ("label", "value"),
    [
        ("users", "ann:secret"),
        ("httpsOnly", "true"),
        ("verifyClientSsl", "true"),
        ("allowedMethods", "GET"),
        ("servicePathExclude", "/a"),
    ],
)
def test_restrictions_of_requests_are_refused(label: str, value: str) -> None:
    """And count as such, so the service is closed."""
    reading = read(SNI | {label: value})
    (problem,) = reading.problems
    assert problem.text == f"com.df.{label} cannot be honoured with reqMode=sni: it is about HTTP requests"
    assert reading.restricts


@pytest.mark.parametrize(
    ("labels", "label", "complaint"),
    [
        pytest.param({"servicePath": "/a"}, "servicePath", "needs, with reqMode=sni, a com.df.pathType", id="a path"),
        pytest.param(
            {"servicePath": "/a", "pathType": "path_reg"},
            "pathType",
            "compares paths, of which there are none",
            id="kind",
        ),
        pytest.param({"pathType": "path_beg"}, "pathType", "compares paths, of which there are none", id="kind alone"),
        pytest.param(
            {"servicePath": "a.com", "pathType": "req.ssl_sni", "reqMode": "http"},
            "pathType",
            "compares names of TLS connections, for which reqMode has to be sni",
            id="a kind of name for HTTP",
        ),
        pytest.param(
            {"servicePath": "/a", "pathType": "req.ssl_sni"},
            "servicePath",
            "is not a domain name",
            id="path for a name",
        ),
        pytest.param(
            {"servicePath": "a.com#80", "pathType": "req.ssl_sni -m end"}, "servicePath", "is not a domain", id="a key"
        ),
        pytest.param(
            {"servicePath": "x", "pathType": "req.ssl_sni -f /etc/x"}, "pathType", "is no way to compare", id="a file"
        ),
        pytest.param(
            {"servicePath": "x", "pathType": "req.ssl_sni -m found"}, "pathType", "is no way to compare", id="found"
        ),
        pytest.param({"port": "", "httpsPort": "443"}, "port", "is missing", id="no port"),
    ],
)
def test_what_cannot_be_meant_is_refused(labels: dict[str, str], label: str, complaint: str) -> None:
    """The message names the label."""
    (problem,) = read(SNI | labels).problems
    assert problem.label == f"com.df.{label}"
    assert complaint in problem.text


def test_a_bare_kind_may_be_for_one_destination_of_several() -> None:
    """Each destination is judged with what it inherits, the bare values by themselves only for their form."""
    labels = {
        "pathType": "req.ssl_sni -m end",
        "servicePath.1": "a.com",
        "reqMode.1": "sni",
        "port.1": "443",
        "servicePath.2": "/a",
        "pathType.2": "path_beg",
        "port.2": "80",
    }
    assert read(labels).problems == ()


def test_a_kind_that_is_inherited_is_named_as_it_was_written() -> None:
    """By the label that it came from."""
    labels = {"pathType": "path_reg", "reqMode.1": "sni", "port.1": "443", "serviceDomain.1": "a.com"}
    assert [problem.label for problem in read(labels).problems] == ["com.df.pathType"]
