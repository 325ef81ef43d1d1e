"""What is remembered between two reconciles, and when it is worked out again."""

from collections.abc import Sequence

from models.memo import Memo


def joined(calls: list[str]) -> Memo[Sequence[str], Sequence[str], str]:
    """Return a memo that notes each time it has to work."""

    def join(left: Sequence[str], right: Sequence[str]) -> str:
        calls.append("".join([*left, *right]))
        return calls[-1]

    return Memo(join)


def test_same_objects_are_not_worked_on_again() -> None:
    """Equal is not enough: that would have to be compared."""
    calls: list[str] = []
    memo, left, right = joined(calls), ["a"], ["b"]
    assert [memo("key", left, right) for _ in range(3)] == ["ab"] * 3
    assert memo("key", left, ["b"]) == "ab"
    assert memo("other", left, right) == "ab"
    assert len(calls) == 3


def test_what_nobody_asks_for_is_forgotten() -> None:
    """Results live from one round to the next, and no longer."""
    calls: list[str] = []
    memo, left, right = joined(calls), ["a"], ["b"]
    for _ in range(3):
        memo("stays", left, right)
        memo.forget_unused()
    assert len(calls) == 1
    memo("goes", left, right)
    memo.forget_unused()
    memo.forget_unused()
    memo("goes", left, right)
    assert len(calls) == 3
