"""What became of a request that changes something: here, and at the other replicas."""

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from controller.declarations import Receipt
from controller.http.answers.changes import Outcome

DISTRIBUTED = "Distributed to all instances"
"""DFP's words."""
_OK = 200


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: an HTTP status, words, and the conditions of the service if there is one.

    ``remark`` says what is odd about something that was done; ``converging`` names the replicas that have not yet
    programmed it.
    """

    status: int
    message: str
    service: str = ""
    conditions: list[dict[str, Any]] = field(default_factory=list)
    problems: tuple[str, ...] = ()
    remark: str = ""
    converging: tuple[str, ...] = ()

    @property
    def is_good(self) -> bool:
        """Whether it was done."""
        return self.status == _OK

    @property
    def words(self) -> str:
        """All of it in words."""
        waiting = f"still converging: {', '.join(self.converging)}" if self.converging else ""
        return "; ".join(filter(None, (self.remark, self.message, waiting)))

    def as_outcome(self) -> Outcome:
        """Return it as Swarmgate's own interface shows it."""
        lists = {"problems": self.problems, "converging": self.converging, "conditions": self.conditions}
        return Outcome.model_validate(
            {"name": self.service, "message": self.words} | {name: items for name, items in lists.items() if items}
        )


class Replicas(Protocol):
    """Those who know what every replica has programmed."""

    async def behind(self, receipt: Receipt, *, limit: float) -> tuple[str, ...]:
        """Wait until every replica has programmed a change; return those that have not within ``limit`` seconds."""


@dataclass(frozen=True, slots=True)
class Distribution:
    """Completes an answer once all replicas have programmed the change, or after ``limit`` seconds.

    Without ``replicas`` there is nobody else: only this proxy has what was put through its API.
    """

    replicas: Replicas | None = None
    limit: float = 5.0

    async def completed(self, answer: Answer, receipt: Receipt, *, asked: bool) -> Answer:
        """Return the answer with what it has to say of the others, if that was asked for.

        A replica that lags behind is named and makes no failure of it: what is kept reaches it for sure.
        """
        if self.replicas is None or not asked or not answer.is_good:
            return answer
        behind = await self.replicas.behind(receipt, limit=self.limit)
        return replace(answer, converging=behind) if behind else replace(answer, message=DISTRIBUTED)
