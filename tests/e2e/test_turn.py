"""Only one test run at a time has the Swarm, and the others are told who has it."""

from pathlib import Path

import pytest
from e2e.turn import NotOurTurnError, take_turn


def test_the_second_waits_until_the_first_is_done(tmp_path: Path) -> None:
    """While one has it, another one is told who that is, and gets it once the file is closed."""
    file = tmp_path / "tests.lock"
    told: list[str] = []
    first = take_turn(file, "the first", tell=told.append)
    assert told == []

    def tell(line: str) -> None:
        told.append(line)
        first.close()

    with take_turn(file, "the second", tell=tell):
        assert told == ["waiting for the Swarm, which is used by the first"]
        with pytest.raises(NotOurTurnError, match="still used by the second after 0 s"):
            take_turn(file, "the third", tell=told.append, longest=0)


def test_nobody_has_to_give_it_back(tmp_path: Path) -> None:
    """What a run that has ended left behind keeps nobody waiting."""
    file = tmp_path / "tests.lock"
    file.write_text("a run that was killed")
    told: list[str] = []
    take_turn(file, "the next", tell=told.append).close()
    assert told == []
    assert file.read_text() == "the next"
