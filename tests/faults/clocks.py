"""The clocks of a role, which a test can have jump."""

import os
import struct
from pathlib import Path

_FOLDER = Path(__file__).parent / "clock"


class Clocks:
    """Two clocks, in a file: ``environment`` is what a role needs to follow them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.jump()
        self.environment = {
            "PYTHONPATH": os.pathsep.join((str(_FOLDER), os.environ.get("PYTHONPATH", ""))).rstrip(os.pathsep),
            "SWARMGATE_TEST_CLOCK": str(file),
        }

    def jump(self, *, monotonic: float = 0, wall: float = 0) -> None:
        """Have the clocks differ from the true ones by some seconds."""
        with self._file.open("r+b" if self._file.exists() else "wb") as file:
            file.write(struct.pack("=dd", monotonic, wall))
