"""Starts HAProxy as nobody's child: run as a program of its own, never imported by the controller.

It starts HAProxy in a new session, writes its process id to a pipe, and ends, so that HAProxy falls to the container's
init: it outlives the controller, gets none of its signals, and leaves it no zombie. Standard output and error are
inherited, all other descriptors closed. Imports little, for it runs on every start.

Arguments: the descriptor of the pipe, then HAProxy's command line, of which the first is the path of its binary.
"""

import os
import resource
import sys


def launch(pipe: int, argv: list[str]) -> None:
    """Start ``argv`` with as many file descriptors as the hard limit allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.set_inheritable(pipe, False)
    os.chdir("/")
    nothing = (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)
    pid = os.posix_spawn(argv[0], argv, os.environ, file_actions=[nothing], setsid=True)
    os.write(pipe, str(pid).encode())


if __name__ == "__main__":
    launch(int(sys.argv[1]), sys.argv[2:])
