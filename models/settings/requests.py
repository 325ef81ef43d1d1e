"""What requests must look like."""

from typing import Annotated

from pydantic import Field

from models.base import Frozen
from models.types import Flag


class Requests(Frozen):
    """How strict the proxy is with requests."""

    normalize_paths: Annotated[
        Flag,
        Field(
            description="Rules go by the normal form of paths, and paths that services could read in two ways are "
            "refused with 400 (docs/edge.md). `false`: paths are compared as they come."
        ),
    ] = True
