"""Logging: few and rich lines on standard error; text on a terminal, JSON otherwise."""

import logging
import sys
from typing import Literal

import structlog


def set_up_logs(*, level: str = "info", form: Literal["auto", "json", "text"] = "auto") -> None:
    """Configure structlog for the whole process."""
    pretty = form == "text" or (form == "auto" and sys.stderr.isatty())
    renderer: structlog.typing.Processor = _on_a_terminal() if pretty else structlog.processors.JSONRenderer()
    processors: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    if not pretty:
        processors.append(structlog.processors.format_exc_info)
    structlog.configure(
        processors=[*processors, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        # Each line is written in one go: HAProxy writes its own to the same place.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def _on_a_terminal() -> structlog.dev.ConsoleRenderer:
    """Return what makes lines for people; tracebacks are without local variables, for these may hold passwords."""
    return structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback)
