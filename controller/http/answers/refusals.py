"""Bodies of answers to requests that are turned away before anything is done."""

from models.base import Frozen


class Refusal(Frozen):
    """Why a request was turned away."""

    detail: str


class InvalidPart(Frozen):
    """What is wrong with one part of a request; ``loc`` leads to it, for example ``query``, ``wait``."""

    loc: tuple[str | int, ...]
    msg: str
    type: str


class InvalidRequest(Frozen):
    """Everything that is wrong with a request; what was sent is not repeated, for it may be secret."""

    detail: tuple[InvalidPart, ...]
