"""Asking HAProxy whether it would load a configuration, before it has to (``haproxy -c -dW``, Management guide 3).

Warnings count as errors: HAProxy warns where it ignores what was written. It is no defence against injected
directives, which are valid configuration.
"""

import asyncio
import re
from pathlib import Path

from controller.errors import ConfigRejectedError, TemporaryError
from render.files import CONFIG_FILE

_LIMIT = 30.0
_POSITION = re.compile(
    rf"^\[(?:ALERT|WARNING)\] .*?\[(?:\S*/)?{re.escape(CONFIG_FILE)}:(?P<line>\d+)\][ :]*(?P<message>.+)$", re.MULTILINE
)
_LEVEL = re.compile(r"^\[(?:ALERT|WARNING)\]", re.MULTILINE)


async def validate(binary: Path, config: Path, *, limit: float = _LIMIT) -> None:
    """Have HAProxy check a configuration file.

    Raises:
        ConfigRejectedError: it would not load it, or only with warnings.
        TemporaryError: it did not finish within ``limit`` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        binary,
        *("-c", "-dW", "-f", config),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(limit):
            output, _ = await process.communicate()
    except TimeoutError as error:
        raise TemporaryError(f"HAProxy did not finish checking its configuration within {limit:g} s") from error
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise rejected(output.decode(errors="replace"), config)


def rejected(output: str, config: Path) -> ConfigRejectedError:
    """Return the error for what HAProxy said about a configuration file, with the file named by its name only."""
    words = [line for line in output.replace(f"{config.parent}/", "").split("\n") if _LEVEL.match(line)]
    first = words[0] if words else output.strip() or "without a word"
    return ConfigRejectedError(f"HAProxy rejects the configuration: {first}", output="\n".join(words) or output)


def rejected_lines(output: str) -> dict[int, str]:
    """Return HAProxy's messages by line number of ``haproxy.cfg``, several for a line joined by ``; ``.

    Messages that name no line (a whole section, a missing backend) are not among them.
    """
    lines: dict[int, str] = {}
    for match in _POSITION.finditer(output):
        line, message = int(match["line"]), match["message"].strip()
        lines[line] = f"{lines[line]}; {message}" if line in lines else message
    return lines
