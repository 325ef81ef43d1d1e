"""What the proxy says of labels holds where a service says nothing, and only there."""

import pytest
from builders import df

from models.reading import LabelRules, Reading, plain_destination, read_labels
from models.service import Destination

RULES = LabelRules(
    defaults=(
        ("httpsOnly", "true"),
        ("serviceDomainAlgo", "hdr_end(host)"),
        ("connectionMode", "httpclose"),
        ("compressionAlgo", "gzip"),
    )
)
TCP = LabelRules(defaults=(("reqMode", "tcp"), ("httpsOnly", "true")))


def read(labels: dict[str, str], rules: LabelRules = RULES) -> Reading:
    return read_labels("web", df(labels), rules)


def destinations_of(labels: dict[str, str], rules: LabelRules = RULES) -> tuple[Destination, ...]:
    reading = read(labels, rules)
    assert reading.service is not None, reading.problems
    return reading.service.destinations


def test_who_says_nothing_gets_all_of_it() -> None:
    """As if the service had said it."""
    (destination,) = destinations_of({"servicePath": "/", "port": "80"})
    assert destination.redirects.https_only
    assert destination.matching.service_domain_algo == "hdr_end(host)"
    assert destination.connection.connection_mode == "httpclose"
    assert destination.compression.compression_algo == ("gzip",)


@pytest.mark.parametrize("value", ["false", "0"])
def test_a_service_may_opt_out_by_index(value: str) -> None:
    """Of one destination, or of all."""
    paths = {"servicePath.1": "/1", "port.1": "80", "servicePath.2": "/2", "port.2": "80"}
    one, two = destinations_of(paths | {"httpsOnly.2": value})
    assert (one.redirects.https_only, two.redirects.https_only) == (True, False)
    one, two = destinations_of(paths | {"httpsOnly": value, "httpsOnly.2": "true"})
    assert (one.redirects.https_only, two.redirects.https_only) == (False, True)


def test_a_former_name_counts_as_saying_it() -> None:
    """``serviceDomainMatchAll`` is another way to say ``serviceDomainAlgo``."""
    (destination,) = destinations_of({"serviceDomain": "a.com", "port": "80", "serviceDomainMatchAll": "true"})
    assert destination.matching.service_domain_algo is None
    assert destination.matching.service_domain_match_all


def test_domains_are_judged_by_the_algorithm_in_force() -> None:
    """With a regular expression a domain is one."""
    rules = LabelRules(defaults=(("serviceDomainAlgo", "hdr_reg(host)"),))
    labels = {"serviceDomain": "^(a|b)\\.com$", "port": "80"}
    assert read(labels, rules).problems == ()
    assert read(labels | {"serviceDomainAlgo": "hdr(host)"}, rules).problems != ()


def test_connections_have_no_use_for_what_is_about_requests() -> None:
    """Nothing that is about requests is said of them, and nobody complains about what the service has not said."""
    (destination,) = destinations_of({"reqMode": "tcp", "srcPort": "6379", "port": "6379"})
    assert not destination.redirects.https_only
    assert destination.connection.connection_mode is None
    own = read({"reqMode": "tcp", "srcPort": "6379", "port": "6379", "httpsOnly": "true"})
    assert [problem.label for problem in own.problems] == ["com.df.httpsOnly"]


def test_the_mode_has_a_default_too() -> None:
    """A service that is about requests says so, by index too."""
    (tcp,) = destinations_of({"srcPort": "6379", "port": "6379"}, TCP)
    assert (tcp.matching.req_mode, tcp.redirects.https_only) == ("tcp", False)
    http, tcp = destinations_of(
        {"reqMode.1": "http", "servicePath.1": "/", "port.1": "80", "srcPort.2": "6379", "port.2": "6379"}, TCP
    )
    assert (http.matching.req_mode, http.redirects.https_only) == ("http", True)
    assert tcp.matching.req_mode == "tcp"


def test_a_broken_label_is_not_replaced_by_the_default() -> None:
    """It is reported, as ever."""
    assert [problem.label for problem in read({"servicePath": "/", "port": "80", "httpsOnly": "yes"}).problems] == [
        "com.df.httpsOnly"
    ]


@pytest.mark.parametrize("mode", ["http", "tcp"])
def test_a_plain_destination_is_what_a_plain_service_has(mode: str) -> None:
    """Its profile is loaded beforehand, so the first plain service costs no reload."""
    labels = {"reqMode": mode, "servicePath": "/web", "port": "8080", "srcPort": "1"}
    (destination,) = destinations_of(labels)
    plain = plain_destination(mode, RULES)
    different = {"matching", "target"}
    assert plain.model_dump(exclude=different) == destination.model_dump(exclude=different)
