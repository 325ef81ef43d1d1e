"""Which ports HAProxy could listen on."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from controller.surroundings import unusable_ports


@contextmanager
def listening(*options: int) -> Iterator[int]:
    """Listen on a port with these options of the socket."""
    with socket.socket() as taken:
        for option in options:
            taken.setsockopt(socket.SOL_SOCKET, option, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        yield taken.getsockname()[1]


def test_a_port_that_another_program_has_is_not_usable() -> None:
    """Whatever it allows others; only one that shares it, as HAProxy does with itself, is no obstacle."""
    with listening() as port, listening(socket.SO_REUSEADDR) as other, listening(socket.SO_REUSEPORT) as shared:
        taken = dict(unusable_ports([port, other, shared]))
    assert taken == {port: "address already in use", other: "address already in use"}
    assert dict(unusable_ports([port])) == {}
