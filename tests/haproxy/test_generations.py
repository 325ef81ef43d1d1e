"""Whatever happens, ``current`` is a whole configuration."""

import os
from pathlib import Path

import pytest

from controller.haproxy.generations import Generations

FIRST = {"haproxy.cfg": b"one", "maps/a.map": b"a", "maps/b.map": b"b"}


def _names(folder: Path) -> set[str]:
    return {path.name for path in (folder / "generations").iterdir()}


def test_files_are_as_written(tmp_path: Path) -> None:
    """And readable by their owner only, for they hold passwords."""
    generations = Generations(tmp_path)
    assert generations.current() is None
    number = generations.write(FIRST)
    assert generations.current() is None
    generations.switch(number)
    assert generations.current() == number
    assert generations.config.read_bytes() == generations.config_of(number).read_bytes() == b"one"
    files = [path for path in (tmp_path / "generations").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    folders = [path for path in (tmp_path / "generations").rglob("*") if path.is_dir()]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_unchanged_files_are_links(tmp_path: Path) -> None:
    """Only what differs is written; the generation before keeps its content."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    second = generations.write(FIRST | {"maps/a.map": b"changed"})
    one, two = (generations.config_of(number).parent for number in (first, second))
    assert (one / "maps/b.map").samefile(two / "maps/b.map")
    assert (one / "maps/a.map").read_bytes() == b"a"
    assert (two / "maps/a.map").read_bytes() == b"changed"


def test_same_files_are_the_same_generation(tmp_path: Path) -> None:
    """Nothing is written; one file less is a difference."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    assert generations.write(FIRST) == first
    assert generations.write({"haproxy.cfg": b"one", "maps/a.map": b"a"}) == first + 1


@pytest.mark.parametrize("is_new", [False, True], ids=["same controller", "next controller"])
def test_file_that_somebody_changed_is_written_anew(tmp_path: Path, *, is_new: bool) -> None:
    """Whoever wrote it, and however little: it says what HAProxy runs, or it is put right."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    generations.config.write_bytes(b"eno")
    second = (Generations(tmp_path) if is_new else generations).write(FIRST)
    assert second != first
    assert generations.config_of(second).read_bytes() == b"one"


def test_what_was_refused_is_not_taken_for_what_is_there(tmp_path: Path) -> None:
    """The next set of files is compared with those in force."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    generations.discard(generations.write(FIRST | {"haproxy.cfg": b"bad"}))
    assert generations.write(FIRST) == first
    third = generations.write(FIRST | {"haproxy.cfg": b"bad"})
    assert generations.config_of(third).read_bytes() == b"bad"


def test_current_can_go_back_and_out(tmp_path: Path) -> None:
    """As after a reload, or a first start, that failed."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    generations.switch(generations.write({"haproxy.cfg": b"two"}))
    generations.switch(first)
    assert generations.config.read_bytes() == b"one"
    generations.switch(None)
    assert generations.current() is None


def test_last_three_generations_are_kept(tmp_path: Path) -> None:
    """And the current one, however old."""
    generations = Generations(tmp_path)
    for number in range(1, 7):
        generations.switch(generations.write({"haproxy.cfg": b"%d" % number}))
        generations.prune()
    assert _names(tmp_path) == {"4", "5", "6"}
    generations.switch(4)
    assert generations.write({"haproxy.cfg": b"7"}) == 7
    generations.write({"haproxy.cfg": b"8"})
    generations.prune()
    assert _names(tmp_path) == {"4", "6", "7", "8"}


def test_generation_is_discarded_unless_it_is_current(tmp_path: Path) -> None:
    """What HAProxy refused leaves nothing behind."""
    generations = Generations(tmp_path)
    first = generations.write(FIRST)
    generations.switch(first)
    generations.discard(generations.write({"haproxy.cfg": b"bad"}))
    generations.discard(first)
    assert _names(tmp_path) == {str(first)}


@pytest.mark.parametrize("failing", ["fsync", "rename", "symlink"])
def test_crash_at_any_moment_leaves_a_whole_configuration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    """The next controller goes on from there."""
    generations = Generations(tmp_path)
    generations.switch(generations.write(FIRST))
    with monkeypatch.context() as patch:

        def fail(*_args: object, **_kwargs: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(os, {"rename": "replace"}.get(failing, failing), fail)
        with pytest.raises(KeyboardInterrupt):
            generations.switch(generations.write({"haproxy.cfg": b"two"}))
    assert generations.config.read_bytes() == b"one"
    successor = Generations(tmp_path)
    successor.switch(successor.write({"haproxy.cfg": b"three"}))
    assert successor.config.read_bytes() == b"three"
