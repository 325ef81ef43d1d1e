"""Variables of DFP that have lost their purpose: accepted, without effect, and explained to those who set them.

Source: DFP, "Configuring Docker Flow Proxy", and the ``ENV`` lines of its image.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Obsolete:
    """Why a variable has no effect, and what to do instead; ``default`` is the value that DFP's image gave it."""

    why: str
    instead: str
    default: str = ""


_ADDRESSES = "addresses of services come from the Docker API, so no name has to be resolved"
_REMOVE = "remove it"

OBSOLETE: Mapping[str, Obsolete] = {
    "CERTS": Obsolete("all certificates in CERTS_DIR and in secrets named cert-* are used", _REMOVE),
    "CFG_TEMPLATE_PATH": Obsolete(
        "the configuration has no template of yours",
        "add lines with EXTRA_GLOBAL, EXTRA_FRONTEND and the label com.df.backendExtra",
        default="/cfg/tmpl/haproxy.tmpl",
    ),
    "CHECK_RESOLVERS": Obsolete(_ADDRESSES, _REMOVE, default="false"),
    "DEFAULT_PROTOCOL": Obsolete("it was another name for one thing", "set DEFAULT_REQ_MODE", default="http"),
    "DNS_LOOKUP_PAUSE_MS": Obsolete("no name of another proxy is looked up", _REMOVE),
    "DO_NOT_RESOLVE_ADDR": Obsolete(_ADDRESSES, _REMOVE, default="false"),
    "MODE": Obsolete("there is only one mode, for Swarm", _REMOVE, default="default"),
    "RECONFIGURE_ATTEMPTS": Obsolete(
        "what HAProxy refuses costs only the service that it was written for, at once", _REMOVE, default="20"
    ),
    "RELOAD_ATTEMPTS": Obsolete("listeners are asked until they answer", _REMOVE, default="5"),
    "RELOAD_INTERVAL": Obsolete(
        "changes are noticed by themselves", "set RESYNC_INTERVAL (seconds) to look more often", default="5000"
    ),
    "REPEAT_RELOAD": Obsolete(
        "all services are compared with HAProxy again and again, and only what differs is changed",
        _REMOVE,
        default="false",
    ),
    "RESOLVERS": Obsolete(
        _ADDRESSES,
        "for hosts outside of the Swarm, set the resolvers of the proxy's service (docker service update --dns-add)",
        default="nameserver dns 127.0.0.11:53",
    ),
    "SKIP_ADDRESS_VALIDATION": Obsolete(_ADDRESSES, _REMOVE, default="true"),
}


def obsolete_in(variables: Mapping[str, str]) -> Iterator[tuple[str, Obsolete]]:
    """Return the variables without effect that somebody has set to something else than DFP's own default."""
    for name, obsolete in OBSOLETE.items():
        if variables.get(name, "").strip().lower() not in {"", obsolete.default.lower()}:
            yield name, obsolete
