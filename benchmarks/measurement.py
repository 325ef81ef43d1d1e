"""What a measurement is: a value, what it must be, and what it is compared with."""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

_ENOUGH = 3
"""Values that tell something of their spread."""


@dataclass(frozen=True, slots=True)
class Limit:
    """What a value must be: ``at_least`` or ``at_most`` this, in the unit of the measurement."""

    at_least: float = -math.inf
    at_most: float = math.inf

    def holds(self, value: float) -> bool:
        """Tell whether a value is as it must be."""
        return self.at_least <= value <= self.at_most

    @property
    def bound(self) -> float:
        """The number in it."""
        return self.at_most if math.isfinite(self.at_most) else self.at_least

    def __str__(self) -> str:
        if self.at_most == self.at_least:
            return f"{self.at_most:g}"
        return f"at most {self.at_most:g}" if math.isfinite(self.at_most) else f"at least {self.at_least:g}"


@dataclass(frozen=True, slots=True)
class Measurement:
    """One row of the table.

    ``value`` is None where it could not be measured, and ``note`` tells why. ``ratio`` is the value divided by that of
    ``ratio_of``, measured in the same run, and then it is what the limit is about; where there is a limit and no ratio
    is given, it is the value divided by the limit.
    """

    name: str
    value: float | None
    unit: str
    limit: Limit | None = None
    ratio: float | None = None
    ratio_of: str = ""
    note: str = ""

    @property
    def holds(self) -> bool | None:
        """Tell whether it is as it must be; None if nothing is asked of it, or it was not measured."""
        if self.limit is None or self.value is None:
            return None
        return self.limit.holds(self.value if self.ratio is None else self.ratio)

    @property
    def comparison(self) -> tuple[float, str] | None:
        """The ratio and what it is a ratio to, None if there is neither."""
        if self.ratio is not None:
            return self.ratio, self.ratio_of
        if self.limit is None or self.value is None or not self.limit.bound:
            return None
        return self.value / self.limit.bound, "the limit"


@dataclass(frozen=True, slots=True)
class Curve:
    """One chart: named lines of points; ``name`` is the name of its file."""

    name: str
    title: str
    x: str
    y: str
    lines: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    logarithmic: bool = True

    def add(self, line: str, x: float, y: float) -> None:
        """Add a point to a line."""
        self.lines.setdefault(line, []).append((x, y))


Finding = Measurement | Curve
"""What a subject yields."""


def median(values: Sequence[float]) -> float:
    """Return the median."""
    return statistics.median(values)


def is_settled(values: Sequence[float], *, within: float = 0.01) -> bool:
    """Tell whether more values would hardly move the median: half of them lie as close to it as this share of it."""
    if len(values) < _ENOUGH:
        return False
    lower, middle, upper = statistics.quantiles(values, n=4, method="inclusive")
    return upper - lower <= 2 * within * abs(middle)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that at least ``share`` percent of the values do not exceed.

    Raises:
        ValueError: there are no values.
    """
    if not values:
        raise ValueError("there is no percentile of nothing")
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share / 100) - 1)]
