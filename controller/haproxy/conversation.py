"""Holding the conversations that `commands` describes: many at once, with as few round trips as the longest one."""

from collections.abc import Sequence
from itertools import islice

from controller.errors import RuntimeRefusedError
from controller.haproxy.commands import Command, Steps, Verdict
from controller.haproxy.runtime import Session


async def converse(runtime: Session, conversations: Sequence[Steps]) -> list[bool]:
    """Hold conversations side by side, in order within each turn; tell for each whether connections hold it up.

    Raises:
        RuntimeRefusedError: a command was refused; the turns after it were not said.
        TemporaryError: HAProxy does not answer.
    """
    held_up = [False] * len(conversations)
    turns = {index: next(conversation) for index, conversation in enumerate(conversations)}
    while turns:
        texts = iter(await runtime.execute([command for turn in turns.values() for command in turn]))
        answers = {index: list(islice(texts, len(turn))) for index, turn in turns.items()}
        for index, turn in turns.items():
            held_up[index] |= _is_held_up(turn, answers[index])
        replies = {index: _reply(conversations[index], answers[index]) for index in turns}
        turns = {index: reply for index, reply in replies.items() if reply is not None}
    return held_up


def _reply(conversation: Steps, answers: list[str]) -> list[Command] | None:
    try:
        return conversation.send(answers)
    except StopIteration:
        return None


def _is_held_up(turn: list[Command], answers: list[str]) -> bool:
    verdicts = [command.verdict(answer) for command, answer in zip(turn, answers, strict=True)]
    if Verdict.REFUSED in verdicts:
        refused = verdicts.index(Verdict.REFUSED)
        raise RuntimeRefusedError(f"HAProxy refused {turn[refused].shown!r}: {answers[refused]}")
    return Verdict.PENDING in verdicts
