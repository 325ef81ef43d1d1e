"""`Finding`: one thing to know about a stack file, with the place that it is about."""

from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How bad it is."""

    ERROR = "error"
    """The service would not be published as the file says."""
    WARNING = "warning"
    """It would be, but hardly as it is meant."""
    NOTE = "note"
    """It works; there is a better way."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to know; ``line`` counts from 1, ``label`` is empty where it is about a whole service or file.

    ``rule`` is the reason of the condition or notice that the service would have, or a name of the linter's own.
    """

    severity: Severity
    rule: str
    message: str
    file: str
    line: int = 1
    service: str = ""
    label: str = ""
