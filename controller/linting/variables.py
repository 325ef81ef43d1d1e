"""What ``docker stack deploy`` makes of ``$NAME`` and ``${NAME...}`` in a stack file. Pure.

Source: the compose specification, "Interpolation".
"""

import re
from collections.abc import Mapping

_DOLLAR = re.compile(
    r"\$(?:(?P<dollar>\$)|(?P<plain>[A-Za-z_]\w*)|\{(?P<name>[A-Za-z_]\w*)(?:(?P<sign>:?[-+?])(?P<word>[^}]*))?\})"
)


def interpolated(text: str, environment: Mapping[str, str]) -> tuple[str, tuple[str, ...]]:
    """Return a text with variables replaced by what they stand for, and the names of those that stand for nothing."""
    unset: list[str] = []

    def replacement(match: re.Match[str]) -> str:
        if match["dollar"]:
            return "$"
        name, sign, word = match["plain"] or match["name"], match["sign"] or "", match["word"] or ""
        value = environment.get(name)
        is_set = bool(value) if sign.startswith(":") else value is not None
        if sign.endswith("+"):
            return word if is_set else ""
        if is_set:
            return value or ""
        if not sign.endswith("-"):
            unset.append(name)
        return word if sign.endswith("-") else ""

    return _DOLLAR.sub(replacement, text), tuple(dict.fromkeys(unset))
