"""Labels for what the other labels do not cover."""

from typing import Annotated

from models.labels._table import Effect, Family, Label
from models.types import SafeText


class Custom(Family):
    """Values that mean something to whoever wrote them."""

    user_def: Annotated[
        SafeText,
        Label(
            doc="Any text; it is there for templates of one's own and does nothing by itself.",
            example="blue",
            effect=Effect.NOTHING,
            tcp=True,
        ),
    ] = ""
