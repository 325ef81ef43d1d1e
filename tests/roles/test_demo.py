"""``swarmgate demo`` (``make run``): what somebody without Docker sees in the first minute."""

import os
import re
import shlex
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from roles.processes import SWARMGATE, eventually


@pytest.fixture
def demo(folder: Path) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """Run the demonstration in a folder; gives the process and the file with what it prints."""
    output = folder / "output.txt"
    environment = {**os.environ, "TMPDIR": str(folder), "COLUMNS": "200"}
    with output.open("wb") as stream:
        process = subprocess.Popen(
            [SWARMGATE, "demo", "--folder", folder / "demo"], stdout=stream, stderr=stream, env=environment
        )
    yield process, output
    process.kill()
    process.wait()
    subprocess.run(["pkill", "-KILL", "-f", f"{folder}/"], check=False)


def curled(line: str) -> str:
    """Do what a printed line says."""
    return subprocess.run(shlex.split(line), capture_output=True, text=True, timeout=20, check=False).stdout


@pytest.mark.haproxy
def test_what_is_printed_works_edits_are_live_and_ctrl_c_ends_it_all(
    demo: tuple[subprocess.Popen[bytes], Path], folder: Path
) -> None:
    """Three lines to try, a file to edit, and nothing left behind."""
    process, output = demo
    eventually(lambda: "Ready" in output.read_text(), "the demonstration is ready")
    words = output.read_text()
    lines = re.findall(r"^ +(curl .*)$", words, re.MULTILINE)
    answers = [curled(line) for line in lines]
    assert len(answers) == 3
    assert all("200 OK" in answer for answer in answers)
    assert [re.search(r'"service":"(\w+)"', answer)[1] for answer in answers] == ["blue", "green", "green"]  # type: ignore[index]

    stack = folder / "demo" / "stack.yml"
    stack.write_text(stack.read_text().replace("/demo", "/edited"))
    edited = lines[0].replace("/demo/", "/edited/")
    eventually(lambda: "200 OK" in curled(edited), "an edit is live")
    fresh = stack.with_suffix(".new")
    fresh.write_text(stack.read_text().replace("/edited", "/replaced"))
    fresh.replace(stack)
    eventually(lambda: "200 OK" in curled(lines[0].replace("/demo/", "/replaced/")), "an atomic replacement is live")

    process.send_signal(signal.SIGINT)
    assert process.wait(20) == 0
    assert subprocess.run(["pgrep", "-f", f"{folder}/"], check=False, capture_output=True).stdout == b""
    assert "Traceback" not in output.read_text()
