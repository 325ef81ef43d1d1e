"""Whose turn it is with the testbed's Swarm: two test runs on it at once would remove each other's services."""

import fcntl
import os
import time
from collections.abc import Callable
from io import TextIOWrapper
from pathlib import Path

RUN_FOLDER = Path("/run/swarmgate-testbed")
"""Where the testbed keeps what lives no longer than its engines; ``STATE_DIR`` in its ``settings.env``."""

LONGEST_WAIT = 1800.0
"""Seconds: three runs of all tests that need the Swarm."""

_PAUSE = 0.2


class NotOurTurnError(Exception):
    """Somebody else has had the Swarm for longer than one waits; the text names them."""


def take_turn(file: Path, who: str, *, tell: Callable[[str], None], longest: float = LONGEST_WAIT) -> TextIOWrapper:
    """Have the Swarm for this process alone until the returned file is closed, or the process ends.

    ``who`` is what others are told while they wait; ``tell`` is given one line if one has to wait for others, at most
    ``longest`` seconds.

    Raises:
        NotOurTurnError: it took longer.
    """
    opened = file.open("a+")
    deadline = time.monotonic() + longest
    is_told = False
    while not _locked(opened):
        if not is_told:
            tell(f"waiting for the Swarm, which is used by {_holder(file)}")
            is_told = True
        if time.monotonic() > deadline:
            opened.close()
            raise NotOurTurnError(f"the Swarm is still used by {_holder(file)} after {longest:g} s; see {file}")
        time.sleep(_PAUSE)
    opened.truncate(0)
    opened.write(who)
    opened.flush()
    return opened


def this_run() -> str:
    """Return how others can tell this test run from the rest."""
    return f"process {os.getpid()} in {Path.cwd()}"


def _locked(opened: TextIOWrapper) -> bool:
    try:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _holder(file: Path) -> str:
    return file.read_text().strip() or "somebody"
