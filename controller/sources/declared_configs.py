"""Declared services as Swarm config objects: how one is written, and how all of them are read. Pure.

A config object cannot be changed, so a service that is declared anew gets another one. While there are two, the one
with the higher version index counts. Source: Docker API, ``/configs``.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from models.base import Frozen
from models.declared import DECLARED_ID, declared_service
from models.snapshot import SwarmService

LABELS: Mapping[str, str] = {"swarmgate.declared": "service"}
FILTER = tuple(f"{name}={value}" for name, value in LABELS.items())
_LONGEST_NAME = 64
_DIGEST = 16


class Declaration(Frozen):
    """What a config object holds, as JSON."""

    name: str
    labels: dict[str, str]
    created_at: datetime


class _Version(BaseModel):
    index: int = Field(alias="Index")


class _Spec(BaseModel):
    data: str = Field(alias="Data", default="", repr=False)


class _Config(BaseModel):
    id: str = Field(alias="ID")
    version: _Version = Field(alias="Version")
    spec: _Spec = Field(alias="Spec")


_CONFIGS = TypeAdapter(list[_Config])


@dataclass(frozen=True, slots=True)
class Kept:
    """One config object, and the service in it; None if it holds none that can be understood."""

    id: str
    service: SwarmService | None


def config_of(declaration: Declaration) -> tuple[str, bytes]:
    """Return the name and the content of the config object for a service; the name is at most 64 characters long."""
    data = declaration.model_dump_json().encode()
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
    start = f"swarmgate-service-{declaration.name}"[: _LONGEST_NAME - _DIGEST - 1]
    return f"{start}-{digest}", data


def decode_configs(body: bytes) -> tuple[Kept, ...]:
    """Decode an answer to ``GET /configs``, oldest version first.

    Raises:
        ValueError: it is no list of config objects. The text does not quote it, since labels may hold passwords.
    """
    try:
        configs = _CONFIGS.validate_json(body)
    except ValidationError:
        raise ValueError("no list of config objects") from None
    return tuple(Kept(each.id, _service(each)) for each in sorted(configs, key=lambda each: each.version.index))


def services_of(kept: tuple[Kept, ...]) -> tuple[SwarmService, ...]:
    """Return the services in force, one for each name."""
    newest = {each.service.name: each.service for each in kept if each.service is not None}
    return tuple(newest[name] for name in sorted(newest))


def _service(config: _Config) -> SwarmService | None:
    try:
        declaration = Declaration.model_validate_json(base64.b64decode(config.spec.data))
    except ValueError:
        return None
    return declared_service(
        declaration.name,
        declaration.labels,
        id_=DECLARED_ID + declaration.name,
        version=config.version.index,
        created_at=declaration.created_at,
    )
