"""Quoting: the only code that turns text into words of HAProxy's configuration language.

Source: Configuration manual 2.2 (quoting and escaping) and 7.3 (arguments of converters).
"""

from models.types import reject_markup


def cfg(text: object) -> str:
    """Return one word of the configuration, in strong quotes: nothing inside means anything.

    Raises:
        ValueError: the text has a line break or another character that no word can hold.
    """
    word = str(text)
    if not word.isprintable():
        raise ValueError("a word of the configuration cannot hold a control character")
    return "'" + word.replace("'", "'\\''") + "'"


def argument(text: str) -> str:
    """Return one argument of a converter, in quotes of its own (inside the word that `cfg` makes).

    Raises:
        ValueError: the text holds a quote or other markup, which has no form inside an argument.
    """
    return f"'{reject_markup(text)}'"


FILTERS = {"cfg": cfg, "argument": argument}
