"""Labels that share one route out among several services: canary releases, blue and green."""

from typing import Annotated

from pydantic import Field

from models.labels._table import Family, Label
from models.types import Allowed, ObjectName, to_integer

Weight = Annotated[int, to_integer(), Field(ge=0, le=1000), Allowed("a whole number from 0 to 1000")]


class Traffic(Family):
    """Which services answer the same route, and how often each of them does."""

    traffic_group: Annotated[
        ObjectName | None,
        Label(
            doc="Services of one group may claim the same route: its requests are shared out by `weight`. A member "
            "without running tasks gets none as long as another one has some.",
            example="shop",
            why="a reload for the first group of all and after the last, since other requests need not draw lots",
        ),
    ] = None
    weight: Annotated[
        Weight,
        Label(
            doc="With `trafficGroup`: the service's part of the requests, relative to the other members' weights and "
            "exact to one in a hundred. `0` gives it none, unless it is alone.",
            example="10",
        ),
    ] = 100
