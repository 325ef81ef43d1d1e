"""What becomes of a URL that somebody tries on a page; nothing is sent anywhere."""

from collections.abc import Mapping
from dataclasses import dataclass

from models.explaining.asked import asked_of
from models.explaining.explain import explain
from models.explaining.explanation import Explanation
from models.proxy import Desired
from models.settings import ProxySettings

METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS")


@dataclass(frozen=True, slots=True)
class Tried:
    """A URL as it was typed, empty if none was, and what becomes of it, or the problem with it."""

    url: str = ""
    method: str = METHODS[0]
    explanation: Explanation | None = None
    problem: str = ""

    @classmethod
    def of(cls, parameters: Mapping[str, str], desired: Desired, settings: ProxySettings) -> "Tried":
        """Read the parameters of a page, and explain what they ask for, if they do."""
        url, method = parameters.get("url", "").strip(), parameters.get("method", METHODS[0])
        method = method if method in METHODS else METHODS[0]
        if not url:
            return cls()
        try:
            return cls(url, method, explain(desired, settings, asked_of(url, method=method)))
        except ValueError as error:
            return cls(url, method, problem=str(error))
