"""Each HAProxy in turn, and an origin behind it, as for the effects of labels."""

from label_effects.conftest import binary, origin

__all__ = ["binary", "origin"]
