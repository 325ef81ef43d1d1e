"""The base of every Pydantic resource: frozen, and strict about the fields it knows."""

from pydantic import BaseModel, ConfigDict


class Frozen(BaseModel):
    """An immutable value object; unknown fields are an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
