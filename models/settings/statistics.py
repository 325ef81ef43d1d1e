"""HAProxy's statistics page: who may see it, and where."""

import re
from typing import Annotated

from pydantic import BeforeValidator, Field, SecretStr, model_validator

from models.base import Frozen
from models.settings.values import OneLine, Secret
from models.types import reject_markup


def _checked_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9/._~?=&-]*", value):
        raise ValueError("is not a path that begins with '/'")
    return reject_markup(value)


class Statistics(Frozen):
    """The statistics page."""

    stats_user: Annotated[OneLine, Field(description="User of the statistics page; without it there is no page.")] = ""
    stats_pass: Annotated[Secret, Field(description="Password of the statistics page.")] = SecretStr("")
    stats_uri: Annotated[str, BeforeValidator(_checked_path), Field(description="Where the statistics page is.")] = (
        "/admin?stats"
    )

    @model_validator(mode="after")
    def _stats_need_both(self) -> "Statistics":
        if bool(self.stats_user) != bool(self.stats_pass.get_secret_value()):
            raise ValueError("STATS_USER and STATS_PASS must be set together")
        return self
