"""Services declared by ``DFP_SERVICE_*`` variables."""

import pytest

from models.declared import ROWS, read_variables
from models.reading import PREFIX, LabelRules, read_labels
from models.service import TABLE
from models.snapshot import Snapshot


def test_one_service_without_a_number() -> None:
    """The form of a single service; requests go to the host that bears its name."""
    found = read_variables(
        {"DFP_SERVICE_NAME": "web", "DFP_SERVICE_SERVICE_PATH": "/web", "DFP_SERVICE_PORT": "80", "PATH": "/bin"}
    )

    assert not found.problems
    assert [(each.name, each.host) for each in found.services] == [("web", "web")]
    assert found.services[0].labels == {"com.df.port": "80", "com.df.servicePath": "/web"}


def test_numbers_may_have_gaps_and_destinations_indices() -> None:
    """``DFP_SERVICE_<n>_<LABEL>_<i>``; DFP stopped at the first gap."""
    found = read_variables(
        {
            "DFP_SERVICE_1_SERVICE_NAME": "one",
            "DFP_SERVICE_1_PORT_2": "81",
            "DFP_SERVICE_1_SERVICE_PATH_2": "/two",
            "DFP_SERVICE_7_SERVICE_NAME": "seven",
            "DFP_SERVICE_7_OUTBOUND_HOSTNAME": "machine.example.com",
        }
    )

    assert not found.problems
    assert [each.name for each in found.services] == ["one", "seven"]
    assert found.services[0].labels == {"com.df.port.2": "81", "com.df.servicePath.2": "/two"}
    assert found.services[1].host == "machine.example.com"
    reading = read_labels("one", found.services[0].labels, LabelRules())
    assert reading.service is not None
    assert reading.service.destinations[0].index == 2


@pytest.mark.parametrize("name", sorted(TABLE.keys() - {"serviceName"}))
def test_every_label_has_its_variable(name: str) -> None:
    """No two labels share one, and none is taken for another with an index."""
    variable = next(end for end, row in ROWS.items() if row.name == name)
    found = read_variables({"DFP_SERVICE_NAME": "web", f"DFP_SERVICE_{variable}": "x"})

    assert found.services[0].labels == {f"{PREFIX}{name}": "x"}


def test_a_label_that_nothing_is_left_of_is_no_mistake() -> None:
    """It is told where the labels are read."""
    found = read_variables({"DFP_SERVICE_NAME": "web", "DFP_SERVICE_SKIP_CHECK": "true"})

    assert not found.problems
    assert found.services[0].labels == {"com.df.skipCheck": "true"}


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        pytest.param(
            {"DFP_SERVICE_NAME": "web", "DFP_SERVICE_SERVICE_PAHT": "/web"},
            "DFP_SERVICE_SERVICE_PAHT belongs to no label of Swarmgate; did you mean DFP_SERVICE_SERVICE_PATH?",
            id="unknown",
        ),
        pytest.param({"DFP_SERVICE_2_PORT": "80"}, "DFP_SERVICE_2_SERVICE_NAME is missing", id="no name"),
        pytest.param({"DFP_SERVICE_NAME": "a b"}, "DFP_SERVICE_NAME is not a name", id="bad name"),
        pytest.param(
            {"DFP_SERVICE_NAME": "web", "DFP_SERVICE_USERS_1": "ann:secret"},
            "DFP_SERVICE_USERS_1 has no indexed form; use DFP_SERVICE_USERS",
            id="not indexed",
        ),
        pytest.param(
            {"DFP_SERVICE_NAME": "web", "DFP_SERVICE_SERVICE_NAME": "shop"}, "name two services", id="two names"
        ),
    ],
)
def test_a_mistake_is_told_and_costs_its_service(variables: dict[str, str], words: str) -> None:
    """The problem names the variable and never its value, and the service beside it is declared."""
    found = read_variables(variables | {"DFP_SERVICE_9_SERVICE_NAME": "other"})

    assert [each.name for each in found.services] == ["other"]
    assert any(words in problem.text for problem in found.problems)
    assert "secret" not in repr(found.problems)


def test_of_two_with_one_name_the_first_is_declared() -> None:
    """The second is told which name is taken."""
    found = read_variables({"DFP_SERVICE_1_SERVICE_NAME": "web", "DFP_SERVICE_2_SERVICE_NAME": "web"})

    assert len(found.services) == 1
    assert "DFP_SERVICE_2_SERVICE_NAME names the service web, which other variables" in found.problems[0].text


def test_no_variables_no_services() -> None:
    """And nothing to complain about."""
    assert read_variables({"DFP_SERVICE_NAME": ""}).services == Snapshot().services
