"""Notifications that reach a proxy: they look like orders, and only mean that it should look again."""

from datetime import UTC, datetime
from pathlib import Path

import builders
import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from controller.declarations import Receipt
from controller.http.answering import Distribution
from controller.http.certifying import Certifying
from controller.http.declaring import Declaring
from controller.http.docker_flow_proxy_api import BASE, Proxy, add_docker_flow_proxy_api
from controller.http.writers import Writers
from controller.sources.declared import DeclaredSource
from controller.sources.health import HealthRecord
from controller.status import StatusStore
from models.reading import LabelRules
from models.snapshot import Snapshot


class World(HealthRecord):
    """A source with one service ``web``."""

    async def snapshot(self) -> Snapshot:
        return builders.snapshot(builders.service("web"))

    async def watch(self, mark_dirty: object) -> None:
        """See nothing."""

    async def close(self) -> None:
        """Do nothing."""


class Untouched:
    """A keeper that must not be asked."""

    async def put(self, name: str, content: object) -> Receipt:
        raise AssertionError(name, content)

    async def remove(self, name: str) -> Receipt | None:
        raise AssertionError(name)


def client(writers: Writers, looks: list[str], *, is_legacy: bool) -> httpx.AsyncClient:
    """Return a client of DFP's paths."""
    status = StatusStore(now=lambda: datetime.now(UTC))
    declaring = Declaring(
        Untouched(), DeclaredSource(World()), status, LabelRules(), looks.append, is_legacy=lambda: is_legacy
    )

    async def text() -> str:
        return ""

    certifying = Certifying(Untouched(), status, Distribution(), looks.append)
    app = FastAPI()
    proxy = Proxy(
        status,
        declaring,
        writers,
        lambda: False,
        lambda: looks.append("anew"),
        text,
        text,
        certifying,
        Path("/certs"),
    )
    add_docker_flow_proxy_api(app, proxy)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://proxy")


@pytest.mark.parametrize("writers", [Writers(SecretStr("token")), Writers(mode="open"), Writers()])
async def test_those_of_an_original_listener_only_mean_look_again(writers: Writers) -> None:
    """Whoever may write, and whether the service is known or not."""
    looks: list[str] = []
    asking = client(writers, looks, is_legacy=True)

    for path in ("reconfigure", "remove"):
        answer = await asking.get(
            f"{BASE}/{path}", params={"serviceName": "shop", "servicePath": "/shop", "port": "80"}
        )
        assert (answer.status_code, answer.json()["Status"]) == (200, "OK")
    assert len(looks) == 2


async def test_without_a_listener_they_take_the_token() -> None:
    """Unless labels declare the service."""
    asking = client(Writers(SecretStr("token")), [], is_legacy=False)

    assert (await asking.get(f"{BASE}/reconfigure", params={"serviceName": "shop"})).status_code == 403
    assert (await asking.get(f"{BASE}/successfulinitreload")).status_code == 500


async def test_every_path_is_in_the_schema_once() -> None:
    """With the method that DFP documents."""
    schema = (await client(Writers(), [], is_legacy=False).get("/openapi.json")).json()

    assert {path: list(methods) for path, methods in schema["paths"].items()} == {
        f"{BASE}/reconfigure": ["get"],
        f"{BASE}/remove": ["get"],
        f"{BASE}/reload": ["get"],
        f"{BASE}/cert": ["put"],
        f"{BASE}/certs": ["get"],
        f"{BASE}/config": ["get"],
        f"{BASE}/metrics": ["get"],
        f"{BASE}/ping": ["get"],
        f"{BASE}/successfulinitreload": ["get"],
        "/v1/test": ["get"],
        "/v2/test": ["get"],
    }
