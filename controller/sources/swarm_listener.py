"""The world as an original DFSL tells it. Pure.

``get-services`` lists the running services as flat maps: label names without prefix, ``serviceName`` and ``replicas``.
It knows no addresses, so requests go to the name of the service. Source: DFSL, "Usage".
"""

from collections.abc import Mapping

from pydantic import TypeAdapter, ValidationError

from models.declared import declared_service
from models.reading import PREFIX
from models.snapshot import Snapshot, SwarmService

SERVICES_PATH = "/v1/docker-flow-swarm-listener/get-services"
_OWN = frozenset({"serviceName", "nodeInfo"})
"""What DFSL says about a service beside its labels, and what changes by itself."""
_LIST = TypeAdapter(list[dict[str, str]] | None)


def decode_services(body: bytes) -> Snapshot:
    """Decode an answer to ``get-services``; of two services with one name the last stays, as in DFP.

    Raises:
        ValueError: it is none. The text does not quote it, since it may hold passwords.
    """
    try:
        items = _LIST.validate_json(body) or []  # an empty list may be written as null
    except ValidationError:
        raise ValueError("it is no list of services") from None
    services = {service.name: service for service in map(_service, items)}
    return Snapshot(services=tuple(services[name] for name in sorted(services)))


def _service(item: Mapping[str, str]) -> SwarmService:
    name = item.get("serviceName", "")
    if not name:
        raise ValueError("it has a service without serviceName")
    labels = {PREFIX + key: value for key, value in item.items() if key not in _OWN}
    service = declared_service(name, labels, id_=f"dfsl-{name}")
    replicas = item.get("replicas", "")
    mode = {"replicas": int(replicas)} if replicas.isdecimal() else {"mode": "global"}
    return service.model_copy(update=mode)
