"""Spans of time in words. Pure."""

_UNITS = ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"))


def span(seconds: float) -> str:
    """Return a time in the largest unit that there is at least one of."""
    return next((f"{int(seconds) // size} {unit}" for size, unit in _UNITS if seconds >= size), "0 s")
