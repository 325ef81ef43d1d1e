"""Facts: what templates are told about a service, and only about that one.

Every label that is text, a number, a flag or a list of these is there by its name, with the value that it has for the
destination; secrets are not.
"""

from types import NoneType
from typing import Annotated, Any, Literal, get_args, get_origin

from models.labels._table import Row
from models.labels.custom import RAW_LABELS
from models.service import DESTINATION_FAMILIES, TABLE, Destination, ProxyService

_PLAIN = (str, int, float, bool, NoneType)


def _is_plain(annotation: Any) -> bool:  # noqa: ANN401 - any annotated type
    if get_origin(annotation) is Literal or annotation in (..., *_PLAIN):
        return True
    parts = get_args(annotation)
    return bool(parts) and all(map(_is_plain, parts[:1] if get_origin(annotation) is Annotated else parts))


def _is_told(row: Row) -> bool:
    family = DESTINATION_FAMILIES.get(row.family)
    if family is None or row.label.secret or row.name in RAW_LABELS:
        return False
    return _is_plain(family.model_fields[row.field].annotation)


TOLD = tuple(filter(_is_told, TABLE.values()))
"""The labels that templates are told."""


def facts_of(service: ProxyService, destination: Destination) -> dict[str, object]:
    """Return the facts about one destination of a service."""
    backends = {bool(way.predicates): way.backend for way in service.ways(destination)}
    return {row.name: getattr(getattr(destination, row.family), row.field) for row in TOLD} | {
        "serviceName": service.name,
        "aclName": service.acl_name,
        "index": destination.index,
        "backend": backends.get(False),
        "httpsBackend": backends.get(True),
    }
