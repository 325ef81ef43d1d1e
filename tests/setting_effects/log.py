"""The log of requests of a running HAProxy."""

import asyncio
from pathlib import Path

from label_effects.edge import Edge
from traffic import LIMIT


def logged(folder: Path) -> list[str]:
    """Return the lines that HAProxy has logged, without what it says while it starts."""
    lines = (folder / "output.txt").read_text(encoding="utf-8", errors="replace").splitlines()
    return [line for line in lines if not line.startswith("[")]


async def line_with(proxy: Edge, words: str) -> str:
    """Wait for a logged line with some words, and return it."""
    async with asyncio.timeout(LIMIT):
        while True:
            for line in logged(proxy.folder):
                if words in line:
                    return line
            await asyncio.sleep(0.01)
