"""Asking HAProxy whether it would load a configuration, before it has to (``haproxy -c``, Management guide 3).

Warnings count as errors, as with ``-dW``: HAProxy warns where it ignores what was written. One does not, and is why
``-dW`` itself is not used: HAProxy 3.4 measures how long a password hash takes, and on a busy machine finds any hash
too slow. It is no defence against injected directives, which are valid configuration.
"""

import asyncio
import re
from contextlib import suppress
from pathlib import Path

from controller.errors import ConfigRejectedError, TemporaryError
from controller.redaction import redacted_words
from render.files import CONFIG_FILE

_LIMIT = 30.0
_POSITION = re.compile(
    rf"^\[(?:ALERT|WARNING)\] +\(\d+\) : (?P<before>.*?)\[(?:\S*/)?{re.escape(CONFIG_FILE)}:(?P<line>\d+)\]"
    r"[ :]*(?P<message>.+)$",
    re.MULTILINE,
)
_CONTINUED = re.compile(r"\n {2,}(?=\S)")
"""Where HAProxy 3.0 and later goes on with a message in the next line."""
_CERTIFICATE = re.compile(r"(?P<message>[^;\n]*?'(?P<file>certs/[A-Za-z0-9_.-]+\.pem)(?:\.key)?'[^;\n]*)")
_NAMED = re.compile(r"\b(?:[Pp]roxy|backend|defaults|frontend|userlist) '(?P<name>[^']+)'")
_SECTION = re.compile(r"^(?:backend|defaults|frontend|userlist) (?P<name>\S+)")
_PREAMBLE = re.compile(r"^\[(?:ALERT|WARNING)\]\s*(?:\(\d+\))?[\s:]*(?:config : )?")
_LEVEL = re.compile(r"^\[(?:ALERT|WARNING)\]", re.MULTILINE)
_ADVICE = re.compile(r"^\[WARNING\].*hash algorithm used for this password takes")


async def validate(binary: Path, config: Path, *, limit: float = _LIMIT) -> None:
    """Have HAProxy check a configuration file.

    Raises:
        ConfigRejectedError: it would not load it, or only with warnings.
        TemporaryError: it did not finish within ``limit`` seconds.
    """
    process = await asyncio.create_subprocess_exec(
        binary,
        *("-c", "-f", config),
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
    text = output.decode(errors="replace")
    if process.returncode or _complaints(text):
        raise rejected(text, config)


def rejected(output: str, config: Path) -> ConfigRejectedError:
    """Return the error for what HAProxy said about a configuration file, without what may be secret in that.

    The file is named by its name only.
    """
    output = redacted_words(output.replace(f"{config.parent}/", ""), _read(config))
    words = _complaints(output)
    first = words[0] if words else output.strip() or "without a word"
    return ConfigRejectedError(f"HAProxy rejects the configuration: {first}", output="\n".join(words) or output)


def _read(config: Path) -> str:
    with suppress(OSError):
        return config.read_text(encoding="utf-8", errors="replace")
    return ""


def _complaints(output: str) -> list[str]:
    """Return the alerts and warnings, less what is only advice."""
    return [line for line in _CONTINUED.sub("; ", output).split("\n") if _LEVEL.match(line) and not _ADVICE.match(line)]


def rejected_certificates(output: str) -> dict[str, str]:
    """Return HAProxy's messages about certificates by their file (``certs/...``), the first one for each.

    It names the file in quotes, in messages about the line that names the list.
    """
    found: dict[str, str] = {}
    for match in _CERTIFICATE.finditer(output):
        found.setdefault(match["file"], match["message"].rpartition(" : ")[2].strip())
    return found


def rejected_lines(output: str) -> dict[int, str]:
    """Return HAProxy's messages by line number of ``haproxy.cfg``, several for a line joined by ``; ``.

    Messages that name no line (a whole section, a missing backend) are not among them: see `rejected_sections`.
    """
    lines: dict[int, str] = {}
    for match in _POSITION.finditer(output):
        line, message = int(match["line"]), match["message"].strip()
        message = match["before"].removeprefix("config : ").strip() if message == "." else message
        lines[line] = f"{lines[line]}; {message}" if line in lines else message
    return lines


def rejected_sections(output: str, config: str) -> dict[int, str]:
    """Return HAProxy's messages by the line on which the section begins that they name, the first one for each.

    What HAProxy finds out only when all is read (a table, a list of mailers that is not there) names no line.
    """
    numbered = ((number, _SECTION.match(line)) for number, line in enumerate(config.split("\n"), start=1))
    begins = {match["name"]: number for number, match in numbered if match}
    lines: dict[int, str] = {}
    for message in output.split("\n"):
        named = _NAMED.search(message)
        if named is not None and named["name"] in begins:
            lines.setdefault(begins[named["name"]], plain_words(message))
    return lines


def plain_words(output: str) -> str:
    """Return HAProxy's first message without its level and the number of the process."""
    return _PREAMBLE.sub("", output.partition("\n")[0]).strip()
