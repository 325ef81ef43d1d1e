"""HAProxy's statistics page: who may see it, and where."""

import re
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, model_validator

from models.base import Frozen
from models.settings.values import OneLine, Secret
from models.types import Allowed, Port, reject_markup


def _checked_path(value: str) -> str:
    if not re.fullmatch(r"/[A-Za-z0-9/._~?=&-]*", value):
        raise ValueError("is not a path that begins with '/'")
    return reject_markup(value)


def _checked_name(value: str) -> str:
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,127}", value):
        raise ValueError("is not the name of a variable")
    return value


VariableName = Annotated[str, AfterValidator(_checked_name), Allowed("the name of a variable or secret")]


class Statistics(Frozen):
    """The statistics page."""

    stats_user: Annotated[
        OneLine,
        Field(
            description="User of the statistics page; without it there is no page. `none`, as user or password, lets "
            "everybody see it."
        ),
    ] = ""
    stats_pass: Annotated[Secret, Field(description="Password of the statistics page.")] = SecretStr("")
    stats_uri: Annotated[str, BeforeValidator(_checked_path), Field(description="Where the statistics page is.")] = (
        "/admin?stats"
    )
    stats_port: Annotated[
        Port | None,
        Field(
            description="A port for the statistics page alone; without it, or if it is one of the HTTP ports, the page "
            "is on all of these."
        ),
    ] = None
    stats_user_env: Annotated[
        VariableName, Field(description="The name of the variable (or secret) that holds `STATS_USER`.")
    ] = "STATS_USER"
    stats_pass_env: Annotated[
        VariableName, Field(description="The name of the variable (or secret) that holds `STATS_PASS`.")
    ] = "STATS_PASS"  # noqa: S105 - the name of a variable
    stats_uri_env: Annotated[
        VariableName, Field(description="The name of the variable (or secret) that holds `STATS_URI`.")
    ] = "STATS_URI"

    @property
    def stats_login(self) -> str | None:
        """The user and password that the page asks for, as HAProxy wants them; None if for none."""
        user, password = self.stats_user, self.stats_pass.get_secret_value()
        return None if "none" in {user.lower(), password.lower()} else f"{user}:{password}"

    @model_validator(mode="after")
    def _stats_need_both(self) -> "Statistics":
        if bool(self.stats_user) != bool(self.stats_pass.get_secret_value()):
            raise ValueError("STATS_USER and STATS_PASS must be set together")
        return self
