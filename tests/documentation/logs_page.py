"""What the page about logs shows."""

import json
import re
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[2] / "docs" / "logs.md").read_text(encoding="utf-8")


def blocks(kind: str) -> list[str]:
    """Return the blocks of code of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def examples() -> dict[str, dict[str, Any]]:
    """Return the lines that are shown, by what they are about."""
    lines = (json.loads(line) for block in blocks("json") for line in block.splitlines())
    return {line["event"]: line for line in lines}
