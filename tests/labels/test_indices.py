"""Destinations ``.1`` to ``.N``: what makes one, what it inherits, and what is no index."""

import pytest
from builders import read

from models.service import Destination


def destinations(labels: dict[str, str]) -> dict[int, Destination]:
    """Read labels that must be valid; returns the destinations by index."""
    reading = read(labels)
    assert reading.problems == ()
    assert reading.service is not None
    return {destination.index: destination for destination in reading.service.destinations}


def test_bare_labels_make_one_destination_with_index_0() -> None:
    """A service without indices is DFP's plain service."""
    assert list(destinations({"servicePath": "/a", "port": "80"})) == [0]


def test_indexed_labels_replace_the_bare_destination() -> None:
    """With indices the bare labels are only what is inherited."""
    assert list(destinations({"servicePath": "/a", "port": "80", "port.1": "81"})) == [1]


def test_destinations_inherit_what_they_do_not_say() -> None:
    """Each destination takes the bare value of a label it does not have."""
    found = destinations(
        {
            "port": "80",
            "serviceDomain": "a.com",
            "reqPathSearchReplace": "/x,/y",
            "users": "ann:pw",
            "servicePath.1": "/one",
            "servicePath.2": "/two",
            "port.2": "82",
            "reqPathSearchReplace.2": "/z,/y",
        }
    )
    assert [each.target.port for each in found.values()] == [80, 82]
    assert [each.matching.service_path for each in found.values()] == [("/one",), ("/two",)]
    assert [each.matching.service_domain for each in found.values()] == [("a.com",)] * 2
    assert [each.rewriting.req_path_search_replace[0].search for each in found.values()] == ["/x", "/z"]
    assert [each.authentication.users[0].name for each in found.values()] == ["ann", "ann"]


def test_a_gap_is_not_an_end() -> None:
    """All indices that are there count, in numerical order."""
    labels = {"port": "80", "servicePath.2": "/b", "servicePath.10": "/c", "servicePath.999999": "/d"}
    assert list(destinations(labels)) == [2, 10, 999999]


@pytest.mark.parametrize(
    "labels",
    [
        pytest.param({"servicePath.1": "/a", "port": "80"}, id="path"),
        pytest.param({"serviceDomain.1": "a.com", "port": "80"}, id="domain"),
        pytest.param({"port.1": "80", "servicePath": "/a"}, id="port"),
    ],
)
def test_path_domain_or_port_makes_a_destination(labels: dict[str, str]) -> None:
    """Any of the three is enough, as in DFP."""
    assert list(destinations(labels)) == [1]


@pytest.mark.parametrize(
    ("label", "value"),
    [
        pytest.param("reqPathSearchReplace.2", "/x,/y", id="rewriting"),
        pytest.param("reqMode.2", "tcp", id="mode"),
        pytest.param("outboundHostname.2", "a.com", id="host"),
    ],
)
@pytest.mark.parametrize(
    "base",
    [
        pytest.param({"servicePath": "/a", "port": "80"}, id="bare"),
        pytest.param({"servicePath.1": "/a", "port.1": "80"}, id="indexed"),
    ],
)
def test_an_orphan_is_reported(base: dict[str, str], label: str, value: str) -> None:
    """A label with an index that no destination has would do nothing, so it is an error."""
    (problem,) = read({**base, label: value}).problems
    assert problem.label == f"com.df.{label}"
    assert f"com.df.{label}='{value}' belongs to no destination; add com.df.servicePath.2 or " in problem.text


@pytest.mark.parametrize("label", ["port.0", "port.00", "port.01", "servicePath.007"])
def test_indices_are_written_in_one_way(label: str) -> None:
    """Neither 0 nor leading zeros: two labels can never mean the same index."""
    (problem,) = read({"servicePath": "/a", "port": "80", label: "80"}).problems
    assert problem.label == f"com.df.{label}"
    assert "has an index that is not 1, 2, 3, ..." in problem.text


@pytest.mark.parametrize("name", ["users", "usersSecret", "usersPassEncrypted", "aclName", "distribute"])
def test_labels_about_the_whole_service_have_no_index(name: str) -> None:
    """The message says which label to use instead."""
    (problem,) = read({"servicePath": "/a", "port": "80", f"{name}.1": "true"}).problems
    assert problem.label == f"com.df.{name}.1"
    assert f"has no indexed form; use com.df.{name}" in problem.text


def test_an_inherited_problem_is_reported_once_under_the_bare_label() -> None:
    """It is one mistake, however many destinations inherit it."""
    reading = read({"port": "x", "servicePath.1": "/a", "servicePath.2": "/b"})
    assert [problem.label for problem in reading.problems] == ["com.df.port"]


def test_tcp_and_http_destinations_stand_side_by_side() -> None:
    """The mode is a matter of each destination."""
    found = destinations(
        {"servicePath.1": "/a", "port.1": "80", "reqMode.2": "tcp", "srcPort.2": "6379", "port.2": "6379"}
    )
    assert [each.matching.req_mode for each in found.values()] == ["http", "tcp"]
    assert found[2].matching.service_path == ()
