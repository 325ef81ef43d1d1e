"""``make audit``: what it makes of a report."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / ".ci" / "audit.py"
GOOD = {"name": "a", "version": "1", "vulns": []}
BAD = {"name": "b", "version": "2", "vulns": [{"id": "CVE-1", "fix_versions": ["3"]}]}
SKIPPED = {"name": "c", "skip_reason": "not found"}


@pytest.mark.parametrize(
    ("dependencies", "required", "status", "words"),
    [
        ([GOOD], "1", 0, "1 packages, no known vulnerability"),
        ([GOOD, BAD, SKIPPED], "", 1, "b 2: CVE-1; mended in 3"),
        ([GOOD, SKIPPED], "", 0, "NOT AUDITED: 1 of 2"),
        ([GOOD, SKIPPED], "1", 1, "NOT AUDITED: 1 of 2"),
        ([], "1", 1, "NOT AUDITED"),
        (None, "", 0, "NOT AUDITED: no package could be audited"),
        (None, "1", 1, "NOT AUDITED: no package could be audited"),
    ],
)
def test_a_known_vulnerability_fails_and_silence_is_told(
    dependencies: list[object] | None, required: str, status: int, words: str
) -> None:
    report = "" if dependencies is None else json.dumps({"dependencies": dependencies})
    command = [sys.executable, SCRIPT, sys.executable, "-c", f"print({report!r})"]
    environment = os.environ | {"AUDIT_REQUIRED": required}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    assert (done.returncode, done.stderr) == (status, "")
    assert words in done.stdout
