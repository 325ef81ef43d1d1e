"""Services of all kinds, as their owners label them: each by a number, in a few versions."""

from collections.abc import Mapping
from dataclasses import dataclass, fields

from haproxy.loopback import free_port
from lifetime.world import SECRET_HASH, pem_of

BROKEN = ("broken", "refused", "half open")
"""Kinds of services whose owners made a mistake."""


@dataclass(frozen=True)
class Ports:
    """The ports of the proxy, and that of all services."""

    http: int
    https: int
    tcp: int
    passed: int
    origin: int

    @classmethod
    def free(cls, origin: int) -> "Ports":
        """Return free ones."""
        return cls(**{each.name: free_port() for each in fields(cls) if each.name != "origin"}, origin=origin)


def kinds(number: int, version: int, ports: Ports) -> Mapping[str, Mapping[str, str]]:
    """Return the labels, without their prefix, of the service of a number, for each kind that it may be of."""
    path, host = f"/s{number}", f"s{number}.test"
    at_path = {"servicePath": path, "outboundHostname": "127.0.0.1"}
    at_host = {"serviceDomain": host, "outboundHostname": "127.0.0.1"}
    whole = {"outboundHostname": "127.0.0.1"}
    return {
        "plain": at_path,
        "paths": at_path | {"servicePath": f"{path},{path}/{version},/shared/{version}"},
        "domains": at_host | {"serviceDomain": f"{host},*.v{version}.{host}"},
        "several destinations": {
            "servicePath.1": path,
            "servicePath.2": f"/admin{path}/{version}",
            "port.2": str(ports.origin),
            "outboundHostname": "127.0.0.1",
        },
        "users": at_path | {"users": f"ann:password {version},bob:b"},
        "hashed users": at_path | {"users": f"ann{version}:{SECRET_HASH}", "usersPassEncrypted": "true"},
        "tasks": {"servicePath": path, "discoveryType": "tasks"},
        "sticky": {"servicePath": path, "discoveryType": "tasks", "sessionType": "sticky-server"},
        "tcp": whole | {"reqMode": "tcp", "srcPort": str(ports.tcp)},
        "sni": whole | {"reqMode": "sni", "srcPort": str(ports.passed), "serviceDomain": host},
        "certificate": at_host | {"serviceCert": pem_of(host, version)},
        "redirect": at_host | {"redirectFromDomain": f"old-{version}.{host}"},
        "https only": at_host | {"httpsOnly": "true"},
        "headers": at_path | {"setReqHeader": f"X-Version {version}"},
        "rewriting": at_path | {"reqPathSearchReplace": f"{path}/,/v{version}/"},
        "sources": at_path | {"allowedSrc": f"127.{version}.0.0/16"},
        "broken": at_path | {"port": f"80x{version}"},
        "refused": at_path | {"backendExtra": f"timeout server soon{version}"},
        "half open": at_path | {"users": f"nobody-without-a-password-{version}"},
    }
