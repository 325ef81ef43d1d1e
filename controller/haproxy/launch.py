"""Starts HAProxy as nobody's child: run as a program of its own, never imported by the controller.

It starts HAProxy in a new session, writes its process id to a pipe, and ends, so that HAProxy falls to the container's
init: it outlives the controller, gets none of its signals, and leaves it no zombie. Standard output and error are
inherited, all other descriptors closed. Imports little, for it runs on every start.

HAProxy logs to standard output without ever waiting for it, and for that makes it non-blocking, for all who share it.
So it gets a description of its own, where there can be one, and the controller's own log is not cut short.

Arguments: the descriptor of the pipe, then HAProxy's command line, of which the first is the path of its binary.
"""

import os
import resource
import stat
import sys

_STDOUT = 1


def launch(pipe: int, argv: list[str]) -> None:
    """Start ``argv`` with as many file descriptors as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.set_inheritable(pipe, False)
    _open_stdout_anew()
    os.chdir("/")
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[nothing], setsid=True)
    os.write(pipe, str(pid).encode())


def _open_stdout_anew() -> None:
    """Open standard output once more, if it is a pipe or terminal; a file would be written from its beginning."""
    try:
        mode = os.fstat(_STDOUT).st_mode
        if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
            return
        anew = os.open(f"/proc/self/fd/{_STDOUT}", os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK)
    except OSError:  # it is closed, nobody reads it any more, or it is another user's
        return
    os.dup2(anew, _STDOUT)
    os.close(anew)


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
