"""Whether labels keep somebody out whom others let in: then the others are no substitute for them."""

import pytest
from builders import read

from models.narrowing import narrows

ONE = {"servicePath": "/a", "port": "80"}
TWO = {"servicePath.1": "/a", "port.1": "80", "servicePath.2": "/b", "port.2": "80"}


@pytest.mark.parametrize(
    ("wanted", "last", "expected"),
    [
        pytest.param({}, {}, False, id="neither restricts"),
        pytest.param({"deniedMethods": "PUT"}, {}, True, id="a restriction is new"),
        pytest.param({}, {"deniedMethods": "PUT"}, False, id="a restriction is gone"),
        pytest.param({"deniedMethods": "PUT"}, {"deniedMethods": "PUT"}, False, id="the same restriction"),
        pytest.param({"deniedMethods": "PUT"}, {"deniedMethods": "POST"}, True, id="another restriction"),
        pytest.param({}, {"ignoreAuthorization": "true"}, True, id="passwords are asked for again"),
        pytest.param({"ignoreAuthorization": "true"}, {}, False, id="passwords are not asked for any more"),
        pytest.param({"addReqHeader": "A b"}, {}, False, id="something else"),
        pytest.param({"backendExtra": "http-request deny if { path /x }"}, {}, True, id="a line that denies"),
        pytest.param({"backendExtra": "http-request set-header A b"}, {}, False, id="a line that denies nothing"),
    ],
)
def test_one_destination(wanted: dict[str, str], last: dict[str, str], expected: bool) -> None:  # noqa: FBT001 - a column
    """Label by label."""
    one, other = read(ONE | wanted).service, read(ONE | last).service
    assert one is not None
    assert other is not None
    assert narrows(one, other) is expected


@pytest.mark.parametrize(
    ("wanted", "last", "expected"),
    [
        pytest.param({"allowedMethods.2": "GET"}, {}, True, id="of a destination"),
        pytest.param({"allowedMethods.2": "GET"}, {"allowedMethods.2": "GET"}, False, id="of the same destination"),
        pytest.param({"allowedMethods.2": "GET"}, {"allowedMethods.1": "GET"}, True, id="of another destination"),
        pytest.param({"port.3": "80", "servicePath.3": "/c", "allowedMethods.3": "GET"}, {}, True, id="of a new one"),
        pytest.param({"port.3": "80", "servicePath.3": "/c"}, {}, False, id="a new one without any"),
        pytest.param(
            {"port.3": "80", "servicePath.3": "/c", "allowedMethods": "GET"},
            {"allowedMethods": "GET"},
            False,
            id="a new one that shares those of all",
        ),
    ],
)
def test_several_destinations(wanted: dict[str, str], last: dict[str, str], expected: bool) -> None:  # noqa: FBT001
    """By their index; a new one may be for requests that another one answers."""
    one, other = read(TWO | wanted).service, read(TWO | last).service
    assert one is not None
    assert other is not None
    assert narrows(one, other) is expected
