"""Each HAProxy in turn, and an origin behind it, as for the effects of labels."""

from label_effects.conftest import binary, folder, origin

__all__ = ["binary", "folder", "origin"]
