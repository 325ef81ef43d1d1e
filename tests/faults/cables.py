"""A cable between this machine and a network namespace, in which there is nothing else; it can be pulled."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from faults.managers import run


@dataclass(frozen=True)
class Cable:
    """It leads to ``address``, in the network namespace ``namespace``."""

    namespace: str
    address: str

    @property
    def there(self) -> tuple[str, ...]:
        """What a command begins with that is to run at its other end."""
        return ("nsenter", f"--net=/run/netns/{self.namespace}")

    def pull(self) -> None:
        """From now on nothing gets through, and nobody is told."""
        run("ip", "-n", self.namespace, "link", "set", "eth0", "down")

    def plug(self) -> None:
        """Have it be as before."""
        run("ip", "-n", self.namespace, "link", "set", "eth0", "up")


@contextmanager
def cable() -> Iterator[Cable]:
    """Lay one, until the end of the block; takes root."""
    name, network = f"sgfar{os.getpid()}", f"198.18.{2 + os.getpid() % 250}"
    made = Cable(name, f"{network}.2")
    run("ip", "netns", "add", name)
    try:
        run("ip", "link", "add", name, "type", "veth", "peer", "name", "eth0", "netns", name)
        run("ip", "address", "add", f"{network}.1/30", "dev", name)
        run("ip", "link", "set", name, "up")
        run("ip", "-n", name, "address", "add", f"{made.address}/30", "dev", "eth0")
        run("ip", "-n", name, "link", "set", "lo", "up")
        made.plug()
        yield made
    finally:
        run("ip", "netns", "delete", name)
