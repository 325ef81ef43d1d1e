"""What may be shown of a configuration and of a service: everything but secrets. Pure."""

import re
from typing import Any

from controller.http.answers.docker_flow import key_of, shown_rows
from models.service import DESTINATION_FAMILIES, SERVICE_FAMILIES, Destination, ProxyService

HIDDEN = "(hidden)"
_SECRETS = (
    re.compile(r"(?m)^(\s*user \S+ (?:insecure-)?password )(?:\S.*)$"),
    re.compile(r"(?m)^(\s*stats auth )(?:\S.*)$"),
    re.compile(
        r"(?mi)^(\s*http-(?:request|response) (?:add|set|replace)-header "
        r"\S*(?:auth|cookie|token|secret|key|pass)\S* )(?:\S.*)$"
    ),
)


def redacted(configuration: str) -> str:
    """Return a configuration without passwords, and without values of headers whose names sound like secrets."""
    for pattern in _SECRETS:
        configuration = pattern.sub(rf"\g<1>{HIDDEN}", configuration)
    return configuration


def service_facts(form: ProxyService) -> dict[str, Any]:
    """Return a service under DFP's JSON keys: its parameters in upper camel case, destinations in ``ServiceDest``."""
    return {
        "ServiceName": form.name,
        **_values(form, tuple(SERVICE_FAMILIES)),
        "AclName": form.acl_name,
        "ServiceDest": [
            {"Index": each.index, **_values(each, tuple(DESTINATION_FAMILIES))} for each in form.destinations
        ],
    }


def _values(part: ProxyService | Destination, families: tuple[str, ...]) -> dict[str, Any]:
    content = part.model_dump(mode="json", include=set(families))
    return {
        key_of(row): value
        for row in shown_rows(*families)
        if (value := content[row.family][row.field]) not in (None, [], "")
    }
