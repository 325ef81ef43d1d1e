"""Memory of a long life: a first world that stays is taken in at once, and what is done with goes back to the system.

A proxy of thousands of services takes in answers of megabytes. Left alone, glibc learns from the first of them to keep
such blocks among the small ones, and the gaps that they leave among these stay the process's own.
"""

import ctypes
import gc
from contextlib import suppress

_MMAP_THRESHOLD = -3
"""glibc's ``M_MMAP_THRESHOLD`` (``mallopt(3)``): setting it ends the learning."""
_ARENA_MAX = -8
"""glibc's ``M_ARENA_MAX``: threads that take turns need no arena, with gaps of its own, each."""
_LARGE = 1 << 18
"""Bytes from which on a block is mapped by itself."""
_SELDOM = (50_000, 50, 100)
_FIRST_WORLD = (1_000_000, 50, 100)
"""When Python looks for reference cycles (`gc.set_threshold`)."""


def take_in_first_world() -> None:
    """Make ready for what comes by the hundred thousand, and all to stay: nothing of it need be searched for cycles."""
    _keep_large_blocks_apart()
    gc.set_threshold(*_FIRST_WORLD)


def settle() -> None:
    """Have Python look for reference cycles seldom: walking through all that is known of 5,000 services takes a while.

    Hardly anything here is in a cycle; everything else is let go of at once. What is there by now is not walked through
    any more, and what was only for taking it in is given back.
    """
    gc.freeze()
    gc.set_threshold(*_SELDOM)
    _give_back()


def _keep_large_blocks_apart() -> None:
    """Have every large block be mapped by itself, and unmapped once it is let go of."""
    with suppress(OSError, AttributeError):
        library = ctypes.CDLL(None)
        library.mallopt(_MMAP_THRESHOLD, _LARGE)
        library.mallopt(_ARENA_MAX, 1)


def _give_back() -> None:
    """Give the system back what is not used of the rest."""
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
