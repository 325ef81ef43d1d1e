"""Raw configuration: who may bring lines of HAProxy's own language, and those of the operator."""

from functools import cached_property
from pathlib import Path
from typing import Annotated

from pydantic import Field, model_validator

from models.base import Frozen
from models.raw.operator_lines import OperatorLines
from models.settings.values import File
from models.types import Flag


class Raw(Frozen):
    """What is not generated."""

    allow_raw_config: Annotated[
        Flag,
        Field(
            description="Let services bring lines of HAProxy's configuration (`com.df.backendExtra`, "
            "`com.df.templateFePath`, `com.df.templateBePath`)."
        ),
    ] = True
    templates_dir: Annotated[
        File, Field(description="Folder of the files for `com.df.templateFePath` and `com.df.templateBePath`.")
    ] = Path("/cfg/tmpl")
    extra_frontend: Annotated[
        str,
        Field(
            description="Lines for the HTTP frontend, divided by line breaks, or else by commas outside of quotes and "
            "brackets. It is a template in Jinja2, with values, `if` and `for`: `{{ NAME }}` is a variable of the "
            "proxy that is no secret. What HAProxy refuses of it ends the proxy at its start."
        ),
    ] = ""
    extra_global: Annotated[
        str, Field(description="Lines for HAProxy's section `global`, in the form of `EXTRA_FRONTEND`.")
    ] = ""

    @model_validator(mode="after")
    def _extra_lines_are_lines(self) -> "Raw":
        self.extra_lines  # noqa: B018 - it raises what is wrong with them
        return self

    @cached_property
    def extra_lines(self) -> OperatorLines:
        """The lines of ``EXTRA_FRONTEND`` and ``EXTRA_GLOBAL``."""
        return OperatorLines.of(self)
