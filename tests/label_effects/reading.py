"""Short ways to read the labels of one plain service."""

from builders import read

from models.service import Destination

PLAIN = {"servicePath": "/web", "port": "8080"}


def destination_of(labels: dict[str, str]) -> Destination:
    """Read labels beside the plain ones, which must be valid, and return the one destination."""
    reading = read(PLAIN | labels)
    assert reading.problems == ()
    assert reading.service is not None
    (destination,) = reading.service.destinations
    return destination


def problem_of(labels: dict[str, str]) -> str:
    """Read labels beside the plain ones, which must be wrong in one way, and return the complaint."""
    (problem,) = read(PLAIN | labels).problems
    return problem.text
