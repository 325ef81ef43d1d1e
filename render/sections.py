"""Sections: the parts of the configuration that only a reload can change, each with a digest of its text."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum


class SectionKind(StrEnum):
    """What a section is; the value begins its key in the record of what is loaded."""

    CORE = "core"
    """Global settings, common defaults and the frontends that always exist."""
    FRONTEND = "frontend"
    """A TCP frontend."""
    USERS = "users"
    """A list of users, named by its content."""
    TABLE = "table"
    """Where clients are counted: a backend without servers, named by its content."""
    PROFILE = "profile"
    """A named defaults section that backends are made from, named by its content."""


@dataclass(frozen=True, slots=True)
class Section:
    """A named piece of configuration text; ``owners`` are the services it was written for, if for some in particular.

    Those of a section that backends refer to are the services of these backends.
    """

    kind: SectionKind
    name: str
    text: str
    owners: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The section's key in the record of what is loaded."""
        return f"{self.kind}:{self.name}"

    @property
    def digest(self) -> str:
        """A digest of the text."""
        return digest(self.text)


def digest(text: str) -> str:
    """Return a short digest of a text, fit for names of sections."""
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def table_name(content: str) -> str:
    """Return the name of a table; the colon keeps it apart from the backends of services, which have none."""
    return f"table:{digest(content)}"


def successor_name(port: int) -> str:
    """Return the name of the backend that hands requests to a port over to the worker that has taken over."""
    return f"proxy:successor{port}"


def is_own(backend: str) -> bool:
    """Return whether a backend of HAProxy's is the proxy's own (a table, the handover) and none of a service."""
    return ":" in backend


def tcp_frontend_name(port: int) -> str:
    """Return the name of the frontend that passes a port through. Source: DFP."""
    return f"tcpFE_{port}"


def tcp_frontend_key(port: int) -> str:
    """Return the key of that frontend's section."""
    return f"{SectionKind.FRONTEND}:{tcp_frontend_name(port)}"
