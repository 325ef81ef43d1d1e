"""Errors that say what the caller should do: try again after a while, or never.

In the manner of operators: the reconcile loop does not interpret failures, it obeys them.
"""


class SwarmgateError(Exception):
    """Base of the errors this project raises on purpose; the text is written for the operator."""


class TemporaryError(SwarmgateError):
    """Something outside is not as it should be for now: try again.

    ``delay`` is in seconds; None leaves the delay to the caller's own backoff.
    """

    def __init__(self, message: str, *, delay: float | None = None) -> None:
        super().__init__(message)
        self.delay = delay


class PermanentError(SwarmgateError):
    """Trying again with the same input will fail the same way: wait for the world to change."""


class UnspeakableError(PermanentError):
    """No command of HAProxy's runtime socket can say it; a file may."""


class MisconfiguredError(PermanentError):
    """The proxy's own settings are of no use: it ends, and says why, to be started with others."""


class SourceUnavailableError(TemporaryError):
    """The source of the world cannot be read now; the last good snapshot stays in force."""


class RuntimeRefusedError(TemporaryError):
    """HAProxy answered a runtime command with something other than success."""


class StartFailedError(TemporaryError):
    """HAProxy ended while it started; ``output`` holds its own words, one message a line."""

    def __init__(self, message: str, *, output: str) -> None:
        super().__init__(message)
        self.output = output


class ConfigRejectedError(PermanentError):
    """HAProxy refused a configuration file; ``output`` holds its own words, one message a line."""

    def __init__(self, message: str, *, output: str) -> None:
        super().__init__(message)
        self.output = output


class LoadRefusedError(ConfigRejectedError):
    """HAProxy refused to load what it had found good when it was asked: what it lacks may be there another time."""
