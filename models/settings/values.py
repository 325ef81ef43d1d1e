"""Types that several groups of settings share, each of which says what its values may be."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, Field, SecretStr

from models.types import Allowed

Seconds = Annotated[float, Field(gt=0, le=86400 * 7), Allowed("a number of seconds")]


def _checked_file(value: Path) -> Path:
    if not (value.is_absolute() and str(value).isprintable()):
        raise ValueError("is not an absolute path")
    return value


File = Annotated[Path, AfterValidator(_checked_file), Allowed("an absolute path")]


class Mounted:
    """Metadata of a type: a secret of the setting's name is the file itself, and not where the file is."""


MountedFile = Annotated[File, Mounted()]


def one_line(value: str) -> str:
    """Return the value if it can stand in one line.

    Raises:
        ValueError: it has a line break or another character that cannot be printed.
    """
    if not value.isprintable():
        raise ValueError("contains a line break or another character that cannot be printed")
    return value


def _one_line_secret(value: SecretStr) -> SecretStr:
    one_line(value.get_secret_value())
    return value


OneLine = Annotated[str, AfterValidator(one_line), Allowed("text in one line")]
Secret = Annotated[SecretStr, AfterValidator(_one_line_secret), Allowed("text in one line")]
