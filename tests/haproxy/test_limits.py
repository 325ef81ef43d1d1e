"""``maxconn`` follows the machine."""

from pathlib import Path

import pytest

from controller.haproxy.limits import Limits, connection_limit, machine_limits, memory_limit

GIB = 1 << 30


@pytest.mark.parametrize(
    ("nofile", "memory", "limits"),
    [
        pytest.param(20_000, None, Limits(8_000, 20_000), id="descriptors"),
        pytest.param(1_024, None, Limits(410, 1_024), id="few descriptors"),
        pytest.param(1 << 20, GIB, Limits(15_420, 40_840), id="memory"),
        pytest.param(1 << 30, 64 * GIB, Limits(100_000, 210_000), id="as many as make sense"),
        pytest.param(None, None, Limits(100_000, 210_000), id="no limit"),
        pytest.param(64, 1 << 20, Limits(100, 64), id="too small a machine"),
    ],
)
def test_connection_limit(nofile: int | None, memory: int | None, limits: Limits) -> None:
    """The scarcer of file descriptors and memory decides."""
    assert connection_limit(nofile, memory) == limits


@pytest.mark.parametrize(
    ("file", "text", "limit"),
    [
        ("memory.max", "536870912\n", 536870912),
        ("memory.max", "max\n", None),
        ("memory/memory.limit_in_bytes", "268435456\n", 268435456),
        ("memory/memory.limit_in_bytes", "9223372036854771712\n", None),
        ("other", "1", None),
    ],
)
def test_memory_limit_of_the_container(tmp_path: Path, file: str, text: str, limit: int | None) -> None:
    """Of cgroup v2 and v1."""
    (tmp_path / file).parent.mkdir(exist_ok=True)
    (tmp_path / file).write_text(text, encoding="ascii")
    assert memory_limit(tmp_path) == limit


def test_this_machine_has_limits(tmp_path: Path) -> None:
    """Whatever they are."""
    assert 100 <= machine_limits(tmp_path).maxconn <= 100_000
