"""A small init for the image: runs the controller, starts it again when it dies, and reaps what it leaves behind.

HAProxy is started by the controller but does not belong to it: it becomes a child of this process, a sibling of the
controller, so the controller can be killed at any moment and traffic goes on.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from types import FrameType

MISCONFIGURED = 78
"""Exit status (``EX_CONFIG``) of a controller for which starting again is of no use."""

_PR_SET_CHILD_SUBREAPER = 36
_STEADY = 10.0
_LONGEST_PAUSE = 10.0


class Init:
    """Keeps one command running until a signal asks it to end."""

    def __init__(self, command: Sequence[str]) -> None:
        self._command = command
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping: int | None = None

    def run(self) -> int:
        """Run until stopped; return the exit status of the command's last run."""
        _become_subreaper()
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._forward)
        pause = 0.5
        while True:
            began = time.monotonic()
            status = self._run_once()
            if self._stopping is not None or status in (0, MISCONFIGURED):
                return status
            pause = 0.5 if time.monotonic() - began > _STEADY else min(2 * pause, _LONGEST_PAUSE)
            sys.stderr.write(f"swarmgate init: the controller ended with status {status}; again in {pause:g} s\n")
            if not self._pause(pause):
                return status

    def _run_once(self) -> int:
        self._child = subprocess.Popen(self._command)  # noqa: S603 - the image's own command line
        pid = self._child.pid
        if self._stopping is not None:
            self._child.send_signal(self._stopping)
        while True:
            ended, status = os.wait()
            if ended == pid:
                self._child = None
                return os.waitstatus_to_exitcode(status)

    def _forward(self, number: int, _frame: FrameType | None) -> None:
        self._stopping = number
        if self._child is not None:
            self._child.send_signal(number)

    def _pause(self, seconds: float) -> bool:
        """Wait before another start, reaping; return False as soon as a signal asks to end.

        With no controller to do it, HAProxy is asked to finish what it is doing (SIGUSR1 to all others, if this is
        the whole container's init).
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and self._stopping is None:
            _reap()
            time.sleep(0.05)
        if self._stopping is not None and os.getpid() == 1:
            os.kill(-1, signal.SIGUSR1)
            while _reap():
                time.sleep(0.05)
        return self._stopping is None


def _reap() -> bool:
    """Take note of ended children; return whether any child is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def _become_subreaper() -> None:
    """Have orphans become children of this process even when it is not process 1 (prctl(2))."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main(command: Sequence[str]) -> int:
    """Run a command under this init."""
    return Init(command).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
