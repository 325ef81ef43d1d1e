"""Who has to repair what HAProxy refuses: adds the proxy's own variables to the message, where lines came from them."""

from controller.errors import ConfigRejectedError, StartFailedError, SwarmgateError
from controller.haproxy.validate import rejected_lines
from render.files import Rendered
from render.origins import variable_of


def with_variables(error: SwarmgateError, rendered: Rendered) -> SwarmgateError:
    """Return the error with the variables named that the refused lines came from, or as it is if there are none."""
    if not isinstance(error, ConfigRejectedError | StartFailedError):
        return error
    found = (
        variable_of(rendered.config, line, words)
        for line, words in rejected_lines(error.output).items()
        if line not in rendered.owners
    )
    names = " and ".join(dict.fromkeys(filter(None, found)))
    return type(error)(f"{error}; see the variable {names}", output=error.output) if names else error
