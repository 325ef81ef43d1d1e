"""A closed destination on a real HAProxy: it answers 503, whatever its servers and whoever asks."""

from pathlib import Path

import pytest
from binaries import VERSIONS, haproxy_binary, refusal
from builders import rendered_of, service, snapshot
from traffic import ask, echo_server, request_bytes, running_haproxy

from controller.endpoints import Surroundings

GUARDS = [
    pytest.param({"users": "it's"}, id="broken users"),
    pytest.param({"usersSecret": "x"}, id="missing secret"),
    pytest.param({"usersSecret": "x", "httpsOnly": "true", "delReqHeader": "X-A"}, id="with labels about requests"),
]


@pytest.mark.haproxy
@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("guard", GUARDS)
async def test_closed_destination_answers_503(version: str, guard: dict[str, str], folder: Path) -> None:
    """The service beside it, on the same server, is served."""
    async with echo_server() as upstream:
        target = {"port": str(upstream), "outboundHostname": "127.0.0.1"}
        world = snapshot(
            service("closed", {**target, "servicePath": "/closed", **guard}),
            service("open", {**target, "servicePath": "/open"}),
        )
        rendered = rendered_of(world, surroundings=Surroundings())
        assert refusal(haproxy_binary(version), rendered.files(), folder) == ""
        with running_haproxy(haproxy_binary(version), rendered, folder) as port:
            requests = [request_bytes(path, "x.com") for path in ("/closed", "/open")]
            answers = await ask(port, requests)
    assert [answer.status for answer in answers] == [503, 200]
    assert [answer.backend for answer in answers] == [f"{name}-be{upstream}_0" for name in ("closed", "open")]
