"""What is remembered between two reconciles, and when it is worked out again."""

from collections.abc import Sequence

from models.memo import Memo


def joined(calls: list[str]) -> Memo[Sequence[str], Sequence[str], str]:
    """Return a memo that notes each time it has to work."""

    def join(left: Sequence[str], right: Sequence[str]) -> str:
        calls.append("".join([*left, *right]))
        return calls[-1]

    return Memo(join)


def test_the_same_is_not_worked_on_again() -> None:
    """From one round to the next."""
    calls: list[str] = []
    memo, left, right = joined(calls), ["a"], ["b"]
    for _ in range(3):
        assert memo("key", left, right) == "ab"
        assert memo("other", left, ["b"]) == "ab"
        memo.forget_unused()
    assert len(calls) == 2
    assert memo("key", left, ["c"]) == "ac"
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
