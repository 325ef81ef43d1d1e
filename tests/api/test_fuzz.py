"""Requests of every kind to the real proxy and listener, made up from what their schemas say (schemathesis)."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from api.planted import API_TOKEN, World, leaks, planted
from failures.conftest import home, origin
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from roles.processes import ask, eventually
from schemathesis import Case, CheckFunction, GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.config import SchemathesisConfig

__all__ = ["home", "origin"]
load_all_checks()
schemathesis.openapi.media_type("application/x-pem-file", st.binary(max_size=200))
BEYOND_THE_SCHEMA = {
    "positive_data_acceptance": "labels of the right form may contradict each other, which only the answer can tell",
    "unsupported_method": "a test of its own asks with all methods",
    "allow_header_conformance": "likewise",
    "use_after_free": "one answer tells nothing of it; it is tested with DFP's paths",
    "ensure_resource_availability": "likewise",
    "object_level_authorization": "all who have the token may do the same",
}
"""Checks that are not made of single answers, with the reasons."""
WANTED = [check for check in CHECKS.get_all() if check.__name__ not in BEYOND_THE_SCHEMA]
ANNOUNCING = {"/v1/docker-flow-proxy/reconfigure", "/v1/docker-flow-proxy/remove"}
"""Paths that take a request without a token for news, and look at the labels."""
EXAMPLES = settings(
    max_examples=8,
    phases=[Phase.generate],
    derandomize=True,
    database=None,
    suppress_health_check=list(HealthCheck),
)
REFUSALS = ["400", "403", "404", "405", "409", "413", "414", "422"]
CONFIG = SchemathesisConfig.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}})
LONG = {"wait"}
"""Parameters that make a good answer take long; that they do is tested elsewhere."""
METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "PROPFIND")
HEADERS = ("Cache-Control", "Content-Security-Policy", "Referrer-Policy", "X-Content-Type-Options")


@pytest.fixture(scope="module")
def world(home: Path, origin: int) -> Iterator[World]:
    """A world full of secrets."""
    with planted(home, origin) as made:
        yield made


def checks_for(case: Case) -> list[CheckFunction]:
    """Return the checks for an answer."""
    return [each for each in WANTED if each.__name__ != "ignored_auth" or case.operation.path not in ANNOUNCING]


@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["good", "bad"])
@pytest.mark.parametrize("token", [None, API_TOKEN], ids=["without the token", "with the token"])
@pytest.mark.parametrize("role", ["proxy", "listener"])
def test_every_answer_is_as_the_schema_says(world: World, role: str, token: str | None, mode: GenerationMode) -> None:
    """No failure, nothing that is not described, bad requests and strangers are refused, and no secret is told."""
    base = world.url(role)
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json", config=CONFIG)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        if mode.is_negative and not any((operation.body, operation.query, operation.headers)):
            continue

        @EXAMPLES
        @given(case=operation.as_strategy(generation_mode=mode))
        def check(case: Case) -> None:
            nonlocal asked
            for parameter in LONG & set(case.query or ()) if mode.is_positive else ():
                case.query[parameter] = "0"
            answer = case.call(base_url=base, headers=headers, timeout=20)
            case.validate_response(answer, checks=checks_for(case), headers=headers)
            assert not leaks(answer.content)
            assert all(name.lower() in answer.headers for name in HEADERS)
            asked += 1

        check()
    assert asked > 20
    eventually(lambda: _converged(world), "the proxy has programmed whatever is left of it")


def _converged(world: World) -> bool:
    """Whether the proxy has programmed what the listener publishes."""
    replicas = world.listener.get("/v1/replicas").json()
    return bool(replicas) and all(each["converged"] for each in replicas)


@pytest.mark.parametrize("role", ["proxy", "listener"])
def test_methods_that_are_not_described_are_not_allowed(world: World, role: str) -> None:
    """Docker Flow's paths take the usual ones, as there; what else there is, is refused."""
    paths = ask(f"{world.url(role)}/openapi.json").json()["paths"]
    for path, described in paths.items():
        any_method = path.startswith(("/v1/docker-flow", "/v1/test", "/v2/test")) and "get" in described
        allowed = {*map(str.upper, described), *(METHODS[:5] if any_method else ())}
        for method in METHODS:
            answer = ask(f"{world.url(role)}{path.replace('{name}', 'none')}", method, timeout=20)
            assert (answer.status_code == 405) == (method not in allowed), (method, path, answer.status_code)
            assert answer.status_code != 405 or answer.headers["Allow"]
