"""Whose fault it is that HAProxy refuses a configuration: by the lines and sections that it names, or by halving.

It is a service's, or that of whoever set the proxy's variables.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from controller.errors import ConfigRejectedError, StartFailedError, SwarmgateError
from controller.haproxy.validate import plain_words, rejected_lines, rejected_sections
from render.files import Rendered
from render.origins import variable_of

Objection = Callable[[frozenset[str]], Awaitable[ConfigRejectedError | None]]
"""Asks HAProxy about the configuration without some services; None if it would load that."""


def named_by_haproxy(error: ConfigRejectedError, rendered: Rendered) -> dict[str, str]:
    """Return HAProxy's words about services by their names; empty if it names nothing that is theirs alone."""
    found = _owners(rejected_lines(error.output), rendered)
    return found or _owners(rejected_sections(error.output, rendered.config), rendered)


def _owners(words_by_line: Mapping[int, str], rendered: Rendered) -> dict[str, str]:
    """Return the first words about each service: what follows them is often a consequence."""
    found: dict[str, str] = {}
    for line, words in words_by_line.items():
        for service in rendered.owners.get(line, ()):
            found.setdefault(service, words)
    return found


async def found_by_halving(
    error: ConfigRejectedError, suspects: Sequence[str], objection: Objection
) -> tuple[str, str] | None:
    """Find one service that HAProxy refuses, with its words; None if leaving out all suspects does not help.

    It takes one question, and one more each time the number of suspects doubles.
    """
    if not suspects or await objection(frozenset(suspects)) is not None:
        return None
    good, bad, words = 0, len(suspects), error
    while bad - good > 1:
        middle = (good + bad) // 2
        answer = await objection(frozenset(suspects[middle:]))
        if answer is None:
            good = middle
        else:
            bad, words = middle, answer
    return suspects[bad - 1], plain_words(words.output)


def with_variables(error: SwarmgateError, rendered: Rendered) -> SwarmgateError:
    """Return the error with the variables named that the refused lines came from, or as it is if there are none."""
    if not isinstance(error, ConfigRejectedError | StartFailedError):
        return error
    found = (
        rendered.variables.get(line) or variable_of(rendered.config, line, words)
        for line, words in rejected_lines(error.output).items()
        if line not in rendered.owners
    )
    names = " and ".join(dict.fromkeys(filter(None, found)))
    return type(error)(f"{error}; see the variable {names}", output=error.output) if names else error
