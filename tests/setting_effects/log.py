"""The log of requests of a running HAProxy."""

import asyncio
import json
from pathlib import Path
from typing import Any

from label_effects.edge import Edge
from traffic import LIMIT

from render.access_log import LINE_LIMIT


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


def lines(folder: Path) -> list[dict[str, Any]]:
    """Return what is logged so far; every line has to be JSON, and to fit into what is written at once."""
    found = logged(folder)
    assert [line for line in found if len(line.encode()) > LINE_LIMIT] == []
    return [json.loads(line) for line in found]


async def line_where(folder: Path, **fields: object) -> dict[str, Any]:
    """Wait for a line that has such fields, and return it."""
    async with asyncio.timeout(LIMIT):
        while True:
            for line in lines(folder):
                if fields.items() <= line.items():
                    return line
            await asyncio.sleep(0.01)
