"""Bodies of answers about the state of the controller."""

from typing import Literal

from models.base import Frozen


class Health(Frozen):
    """The controller runs."""

    status: Literal["ok"] = "ok"


class Readiness(Frozen):
    """Whether requests may be sent here, and in words why not, or what is the matter all the same."""

    ready: bool
    message: str = ""
