"""The Jinja environment of the pages: everything is escaped, for labels hold whatever somebody wrote."""

import re
from datetime import UTC, datetime
from functools import cache
from urllib.parse import quote, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from controller.spans import span
from controller.ui.static import address

_CODE = re.compile(r"`([^`]+)`")
_NOW = 1
"""Seconds that are called now."""


@cache
def environment() -> Environment:
    """Return the one environment; templates live in ``controller/ui/templates``."""
    made = Environment(
        loader=PackageLoader("controller.ui"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
    )
    made.filters |= {"span": span, "ago": ago, "iso": iso, "exactly": exactly, "code": code, "duration": duration}
    made.filters |= {"segment": segment, "query": urlencode, "number": number}
    made.globals |= {"static": address}
    return made


def ago(moment: datetime, now: datetime) -> str:
    """Return how long ago something was."""
    seconds = (now - moment).total_seconds()
    return "now" if seconds < _NOW else f"{span(seconds)} ago"


def iso(moment: datetime) -> str:
    """Return a moment as machines read it."""
    return moment.astimezone(UTC).isoformat(timespec="seconds")


def exactly(moment: datetime) -> str:
    """Return a moment as people read it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def duration(seconds: float) -> str:
    """Return how long something took."""
    return f"{seconds * 1e3:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def number(value: int) -> str:
    """Return a number with its thousands apart."""
    return f"{value:,}"


def segment(text: str) -> str:
    """Return a text as one segment of a path."""
    return quote(text, safe="")


def code(text: str) -> Markup:
    """Return a text, escaped, in which what is between backticks is code."""
    return Markup(_CODE.sub(r"<code>\1</code>", str(escape(text))))  # noqa: S704 - escaped before
