"""What all tests share: options, how they are run side by side, and the rule that nothing is skipped silently."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import hypothesis
import pytest
from e2e.turn import RUN_FOLDER, NotOurTurnError, take_turn, this_run

REQUIRE_ALL = bool(os.environ.get("SWARMGATE_REQUIRE_ALL"))
"""Set where every test has to run (in CI): a skipped test then fails the run."""

hypothesis.settings.register_profile("busy machine", deadline=None)
hypothesis.settings.load_profile("busy machine")

_MOST_WORKERS = 8


def pytest_xdist_auto_num_workers() -> int:
    """Return how many tests ``-n auto`` runs side by side: one more than there are cores, for many only wait."""
    return min(len(os.sched_getaffinity(0)) + 1, _MOST_WORKERS)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add ``--update-golden`` and ``--update-screenshots``."""
    parser.addoption("--update-golden", action="store_true", help="write what is rendered now to tests/golden")
    parser.addoption("--update-screenshots", action="store_true", help="write pictures of pages to docs/screenshots")


@pytest.fixture(scope="session")
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether golden files are to be rewritten."""
    return bool(request.config.getoption("--update-golden"))


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder whose path is short enough for sockets."""
    path = Path(tempfile.mkdtemp(prefix="sg-", dir="/tmp"))
    yield path
    shutil.rmtree(path)


@pytest.fixture(scope="session")
def docker_engine() -> str:
    """The address of a Docker Engine that manages a Swarm; skips if there is none."""
    host = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock")
    command = ["docker", "-H", host, "info", "--format", "{{.Swarm.ControlAvailable}}"]
    try:
        told = subprocess.run(command, capture_output=True, text=True, timeout=20, check=False).stdout.strip()
    except (OSError, subprocess.TimeoutExpired):
        told = "nothing"
    if told != "true":
        pytest.skip(f"no Docker Engine that manages a Swarm answers at {host}; bring one up with: tests/testbed/up")
    return host


_TURN = pytest.StashKey[IO[str]]()


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Have the testbed's Swarm to this run alone, from the first test that needs it to the end of the process.

    It is waited for here since no test's time limit has begun yet.
    """
    if item.get_closest_marker("swarm") and _TURN not in item.config.stash and RUN_FOLDER.is_dir():
        try:
            item.config.stash[_TURN] = take_turn(RUN_FOLDER / "tests.lock", this_run(), tell=_tell)
        except NotOurTurnError as error:
            pytest.exit(str(error), returncode=pytest.ExitCode.TESTS_FAILED)
    return (yield)


def _tell(line: str) -> None:
    """Print a line past all that pytest captures."""
    print(f"\n{line}", file=sys.__stderr__, flush=True)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Fail the run if a test was skipped where all have to run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if REQUIRE_ALL and exitstatus == 0 and reporter and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say plainly that some tests could not run here, and what that means."""
    skipped = len(terminalreporter.stats.get("skipped", []))
    if skipped and REQUIRE_ALL:
        terminalreporter.write_line(f"{skipped} tests were skipped, and here all have to run: FAILED", red=True)
    elif skipped:
        terminalreporter.write_line(f"{skipped} tests could not run on this machine; the reasons are listed above.")
