"""What is put through the API, as Swarm config objects: how one is written, and how all of them are read. Pure.

A config object cannot be changed, so a service that is declared anew, or a certificate that is put anew, gets another
one. While there are two, the one with the higher version index counts. Source: Docker API, ``/configs``.
"""

import base64
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from pydantic import BaseModel, Field, TypeAdapter, ValidationError

from models.base import Frozen
from models.declared import DECLARED_ID, declared_service
from models.snapshot import StoredCertificate, SwarmService

_LABEL = "swarmgate.declared"
FILTER = (_LABEL,)
"""The label that all of them have (Docker API, filter ``label``)."""
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
    labels: dict[str, str] | None = Field(alias="Labels", default=None)


class _Config(BaseModel):
    id: str = Field(alias="ID")
    version: _Version = Field(alias="Version")
    spec: _Spec = Field(alias="Spec")


_CONFIGS = TypeAdapter(list[_Config])


@dataclass(frozen=True, slots=True)
class NewConfig:
    """A config object to be made; its name is at most 64 characters long."""

    name: str
    data: bytes = field(repr=False)
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Kept:
    """One config object, and the service or the certificate in it; neither if it holds nothing to be understood."""

    id: str
    service: SwarmService | None = None
    certificate: StoredCertificate | None = None


def config_of_service(declaration: Declaration) -> NewConfig:
    """Return the config object for a service."""
    return _new("service", declaration.name, declaration.model_dump_json().encode())


def config_of_certificate(certificate: StoredCertificate) -> NewConfig:
    """Return the config object for a certificate, whose version it will tell."""
    return _new("certificate", certificate.name, certificate.model_dump_json(exclude={"version"}).encode())


def _new(kind: str, name: str, data: bytes) -> NewConfig:
    digest = hashlib.sha256(data).hexdigest()[:_DIGEST]
    start = f"swarmgate-{kind}-{name}"[: _LONGEST_NAME - _DIGEST - 1]
    return NewConfig(f"{start}-{digest}", data, {_LABEL: kind})


def decode_configs(body: bytes) -> tuple[Kept, ...]:
    """Decode an answer to ``GET /configs``, oldest version first.

    Raises:
        ValueError: it is no list of config objects. The text does not quote it, since labels may hold passwords.
    """
    try:
        configs = _CONFIGS.validate_json(body)
    except ValidationError:
        raise ValueError("no list of config objects") from None
    return tuple(map(_kept, sorted(configs, key=lambda each: each.version.index)))


def services_of(kept: tuple[Kept, ...]) -> tuple[SwarmService, ...]:
    """Return the services in force, one for each name."""
    newest = {each.service.name: each.service for each in kept if each.service is not None}
    return tuple(newest[name] for name in sorted(newest))


def certificates_of(kept: tuple[Kept, ...]) -> tuple[StoredCertificate, ...]:
    """Return the certificates in force, one for each name."""
    newest = {each.certificate.name: each.certificate for each in kept if each.certificate is not None}
    return tuple(newest[name] for name in sorted(newest))


def _kept(config: _Config) -> Kept:
    if (config.spec.labels or {}).get(_LABEL) == "certificate":
        return Kept(config.id, certificate=_certificate(config))
    return Kept(config.id, service=_service(config))


def _certificate(config: _Config) -> StoredCertificate | None:
    try:
        kept = StoredCertificate.model_validate_json(base64.b64decode(config.spec.data))
    except ValueError:
        return None
    return kept.model_copy(update={"version": config.version.index})


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
