"""Memory as the C library keeps it: large blocks that are done with go back to the system (glibc; others do it anyway).

A proxy of thousands of services takes in answers of megabytes. Left alone, glibc learns from the first of them to keep
such blocks among the small ones, and the gaps that they leave among these stay the process's own.
"""

import ctypes
from contextlib import suppress

_MMAP_THRESHOLD = -3
"""glibc's ``M_MMAP_THRESHOLD`` (``mallopt(3)``): setting it ends the learning."""
_ARENA_MAX = -8
"""glibc's ``M_ARENA_MAX``: threads that take turns need no arena, with gaps of its own, each."""
_LARGE = 1 << 18
"""Bytes from which on a block is mapped by itself."""


def keep_large_blocks_apart() -> None:
    """Have every large block be mapped by itself, and unmapped once it is let go of."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_ARENA_MAX, 1)


def give_back() -> None:
    """Give the system back what is not used of the rest."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
