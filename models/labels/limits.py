"""Labels that bound how much one client may ask for."""

import re
from dataclasses import dataclass
from typing import Annotated

from pydantic import BeforeValidator

from models.labels._table import EVERY_MODE, Effect, Family, Label
from models.types import Allowed

_SECONDS = {"s": 1, "m": 60, "h": 3600}
_LONGEST = 86400


@dataclass(frozen=True, slots=True)
class Rate:
    """A number of requests within a period of so many seconds."""

    requests: int
    seconds: int


def _to_rate(value: object) -> object:
    if not isinstance(value, str):
        return value
    match = re.fullmatch(r"(?P<requests>[0-9]{1,7})/(?P<number>[0-9]{0,5})(?P<unit>[smh])", value, re.ASCII)
    if not match:
        raise ValueError("is not of the form requests/period")
    rate = Rate(int(match["requests"]), int(match["number"] or 1) * _SECONDS[match["unit"]])
    if not rate.requests or not 1 <= rate.seconds <= _LONGEST:
        raise ValueError("allows nothing, or has a period that is not between a second and a day")
    return rate


RateText = Annotated[
    Rate | None,
    BeforeValidator(_to_rate),
    Allowed("requests per period, such as 100/10s, 5/m or 1000/24h"),
]


class Limits(Family):
    """What is too much."""

    rate_limit: Annotated[
        RateText,
        Label(
            doc="How many requests a client (an address) may send to a destination within a period; more are answered "
            "with 429. With `reqMode=tcp` or `sni`: how many connections it may open; more are closed. Counted by each "
            "replica of the proxy.",
            example="100/10s",
            effect=Effect.PROFILE,
            why="each period has a table of its own; another number for the same period changes at run time",
            option=True,
            modes=EVERY_MODE,
        ),
    ] = None
