"""Requests that tests send to the API, and the answers that they have to get."""

from dataclasses import dataclass, field
from typing import Any

import httpx
from roles.processes import ask


@dataclass(frozen=True)
class Asked:
    """A request for one method of a path, written as in the schema, that is to be answered with a status.

    ``end`` is who is asked, ``name`` stands for ``{name}`` in the path.
    """

    end: str
    method: str
    path: str
    status: int
    name: str = "none"
    query: dict[str, str] = field(default_factory=dict)
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> tuple[str, str, int]:
        """What it proves to be possible."""
        return self.method, self.path, self.status

    def sent(self, ends: dict[str, str], token: dict[str, str], **headers: str) -> httpx.Response:
        """Send it, with the token unless it has headers of its own."""
        url = ends[self.end] + self.path.replace("{name}", self.name)
        more = {**self.more, "headers": {**self.more.get("headers", token), **headers}}
        return ask(url, self.method, params=self.query, timeout=20, **more)
