"""What is put through the API, as config objects of the Swarm and back."""

import base64
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from controller.sources.declared_configs import (
    Declaration,
    NewConfig,
    certificates_of,
    config_of_certificate,
    config_of_service,
    decode_configs,
    services_of,
)
from models.snapshot import StoredCertificate

NOW = datetime(2026, 1, 2, tzinfo=UTC)


def shown(config: NewConfig, version: int) -> dict[str, Any]:
    """Return a config object as Docker lists it."""
    data = base64.b64encode(config.data).decode()
    spec = {"Name": config.name, "Labels": dict(config.labels), "Data": data}
    return {"ID": f"id{version}", "Version": {"Index": version}, "Spec": spec}


def service(port: str) -> NewConfig:
    return config_of_service(Declaration(name="web", labels={"com.df.port": port}, created_at=NOW))


def certificate(content: str, name: str = "shop.pem") -> NewConfig:
    return config_of_certificate(StoredCertificate(name=name, content=content, put_at=NOW))


def test_what_is_written_is_read_and_the_newest_counts() -> None:
    """Services and certificates side by side."""
    body = [
        shown(certificate("new"), 9),
        shown(service("81"), 8),
        shown(certificate("old"), 7),
        shown(service("80"), 6),
    ]
    kept = decode_configs(json.dumps(body).encode())

    assert [each.id for each in kept] == ["id6", "id7", "id8", "id9"]
    assert [(each.name, each.version, each.labels["com.df.port"]) for each in services_of(kept)] == [("web", 8, "81")]
    assert certificates_of(kept) == (StoredCertificate(name="shop.pem", content="new", put_at=NOW, version=9),)


def test_names_fit_and_tell_contents_apart() -> None:
    """Docker takes 64 characters."""
    first, second = certificate("a", "x" * 128), certificate("b", "x" * 128)
    assert first.name != second.name
    assert len(first.name) == 64
    assert certificate("a").name == certificate("a").name
    assert certificate("a").name.startswith("swarmgate-certificate-shop.pem-")
    assert "content" not in repr(first)


@pytest.mark.parametrize("data", ["", "%%%", base64.b64encode(b"{}").decode(), base64.b64encode(b"\xff").decode()])
@pytest.mark.parametrize("kind", ["service", "certificate"])
def test_an_object_that_cannot_be_understood_is_left_out(kind: str, data: str) -> None:
    """It takes nothing else with it."""
    odd = {"ID": "x", "Version": {"Index": 1}, "Spec": {"Labels": {"swarmgate.declared": kind}, "Data": data}}
    kept = decode_configs(json.dumps([odd, shown(certificate("new"), 9)]).encode())
    assert services_of(kept) == ()
    assert len(certificates_of(kept)) == 1
