"""Requests of every kind to the real proxy and listener, made up from what their schemas say (schemathesis)."""

import pytest
import schemathesis
from failures.conftest import API_TOKEN, Swarm, home, origin, swarm
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from roles.processes import Role, eventually
from schemathesis import Case
from schemathesis.checks import CHECKS, load_all_checks

__all__ = ["home", "origin", "swarm"]
load_all_checks()
schemathesis.openapi.media_type("application/x-pem-file", st.binary(max_size=200))
NAMES = {"not_a_server_error", "status_code_conformance", "content_type_conformance", "response_schema_conformance"}
WANTED = [check for check in CHECKS.get_all() if check.__name__ in NAMES]
EXAMPLES = settings(
    max_examples=12,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=list(HealthCheck),
)
SECRET = "hunter2-never-shown"
LONG = {"wait"}
"""Parameters that make an answer take long; that they do is tested elsewhere."""


@pytest.fixture(scope="module")
def roles(swarm: Swarm) -> dict[str, Role]:
    """A listener and a proxy that know a secret."""
    swarm.publish("web", users=f"ann:{SECRET}")
    swarm.listener.start()
    proxy = swarm.proxies[0]
    eventually(proxy.ready, "the proxy is ready")
    eventually(lambda: proxy.status("/web") == 401, "the service answers")
    return {"proxy": proxy, "listener": swarm.listener}


@pytest.mark.parametrize("token", [None, API_TOKEN], ids=["without the token", "with the token"])
@pytest.mark.parametrize("name", ["proxy", "listener"])
def test_every_answer_is_as_the_schema_says(roles: dict[str, Role], name: str, token: str | None) -> None:
    """No failure, nothing that is not described, and no secret."""
    base = f"http://127.0.0.1:{roles[name].api}"
    schema = schemathesis.openapi.from_url(f"{base}/openapi.json")
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = 0
    for found in schema.get_all_operations():
        operation = found.ok()

        @EXAMPLES
        @given(case=operation.as_strategy())
        def check(case: Case) -> None:
            nonlocal asked
            for parameter in LONG & set(case.query or ()):
                case.query[parameter] = "0"
            answer = case.call(base_url=base, headers=headers, timeout=20)
            case.validate_response(answer, checks=WANTED)
            assert SECRET.encode() not in answer.content
            asked += 1

        check()
    assert asked > 50
