"""What one target was told, and what it is still to be told. Pure: it neither sends nor waits."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from controller.notifications.messages import Facts, Parameters


@dataclass(frozen=True, slots=True)
class Message:
    """Something that is true now and that a target does not know yet."""

    id: str
    parameters: Parameters = field(repr=False)
    digest: str


class Ledger(Protocol):
    """What a target knows of the world."""

    def look(self, facts: Facts) -> None:
        """Take notice of the whole world."""

    def pending(self) -> list[Message]:
        """Return what is still to be told, in a stable order; only what is true now."""

    def accepted(self, message: Message) -> None:
        """Note that the target has accepted a message."""

    def forget(self) -> None:
        """Have everything told again."""


class Created:
    """For a target that is told what is there."""

    def __init__(self) -> None:
        self._told: dict[str, str] = {}
        self._facts: Facts = {}

    def look(self, facts: Facts) -> None:
        """What is gone is forgotten, so that it is told again when it comes back."""
        self._facts = facts
        self._told = {id_: digest for id_, digest in self._told.items() if id_ in facts}

    def pending(self) -> list[Message]:
        """Return what is new or has changed."""
        messages = (Message(id_, fact.created, _digest(fact.created)) for id_, fact in sorted(self._facts.items()))
        return [message for message in messages if self._told.get(message.id) != message.digest]

    def accepted(self, message: Message) -> None:
        """Note what was told; if it has changed meanwhile, it is still pending."""
        if message.id in self._facts:
            self._told[message.id] = message.digest

    def forget(self) -> None:
        """Have everything told again."""
        self._told.clear()


class Removed:
    """For a target that is told what is gone; ``known`` is what was there in an earlier life."""

    def __init__(self, known: Mapping[str, Parameters] | None = None) -> None:
        self.known: dict[str, Parameters] = dict(known or {})
        self._facts: Facts = {}

    def look(self, facts: Facts) -> None:
        """Remember what is there, for the day when it is gone."""
        self._facts = facts
        self.known |= {id_: fact.removed for id_, fact in facts.items()}

    def pending(self) -> list[Message]:
        """Return what is gone; but not where something else has its name by now, for that is there."""
        alive = [dict(fact.removed) for fact in self._facts.values()]
        gone = {id_: parameters for id_, parameters in self.known.items() if id_ not in self._facts}
        for id_ in [id_ for id_, parameters in gone.items() if dict(parameters) in alive]:
            del self.known[id_], gone[id_]
        return [Message(id_, parameters, _digest(parameters)) for id_, parameters in sorted(gone.items())]

    def accepted(self, message: Message) -> None:
        """Forget what the target knows to be gone."""
        if message.id not in self._facts:
            self.known.pop(message.id, None)

    def forget(self) -> None:
        """Nothing: what is gone and was accepted cannot be told again."""


def _digest(parameters: Parameters) -> str:
    return hashlib.sha256(json.dumps(dict(parameters), sort_keys=True).encode()).hexdigest()
