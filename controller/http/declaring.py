"""Declaring and undeclaring services in answer to a request, up to the moment when HAProxy runs them.

Two interfaces share it: Swarmgate's own (``PUT /v1/services/NAME``) and DFP's (``reconfigure``, ``remove``).
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from controller.declarations import DeclarationRefusedError, Keeper
from controller.http.answering import Answer, Distribution
from controller.sources.declared import DeclaredSource
from controller.status import StatusStore
from models.declared import is_declared, is_service_name
from models.reading import PREFIX, LabelRules, Problem, read_labels
from models.snapshot import SwarmService

_NOT_FOUND, _CONFLICT, _BAD_REQUEST, _FAILED, _OK = 404, 409, 400, 500, 200
_ANNOUNCED_LIMIT = 1.0
"""Seconds that a service which somebody announces may take to appear in the world."""


@dataclass(slots=True)
class Declaring:
    """Changes what is declared, and waits until it is in force.

    ``follows_listeners``: the world comes from listeners, so what is true may not have arrived yet. ``is_legacy``:
    one of them is an original DFSL, whose notifications only mean "look again". ``limit`` is in seconds.
    """

    keeper: Keeper
    source: DeclaredSource
    status: StatusStore
    rules: LabelRules
    mark_dirty: Callable[[str], None]
    distribution: Distribution = field(default_factory=Distribution)
    follows_listeners: bool = False
    is_legacy: Callable[[], bool] = lambda: False
    limit: float = 10.0

    async def declare(self, name: str, labels: Mapping[str, str], *, distribute: bool = True) -> Answer:
        """Declare a service; the answer comes once a reconcile that knew it has ended, here and at the others."""
        problems = self._problems(name, labels)
        if problems:
            texts = tuple(problem.text for problem in problems)
            return Answer(_status_of(problems), "; ".join(texts), name, problems=texts)
        if self.source.owner_is_outside(name):
            words = f"the service {name} is declared by its own labels or by variables: change those"
            return Answer(_CONFLICT, words, name)
        try:
            receipt = await self.keeper.put(name, labels)
        except DeclarationRefusedError as error:
            return Answer(error.status, str(error), name)
        self.mark_dirty("a service was declared")
        if not await self.status.settled(name, receipt.version, limit=self.limit):
            return Answer(
                _FAILED, f"{name} is declared, but not in force after {self.limit:g} s; it still may be", name
            )
        return await self.distribution.completed(self._judged(name), receipt, asked=distribute)

    async def undeclare(self, name: str, *, distribute: bool = True) -> Answer:
        """Undeclare a service; the answer comes once it is gone, here and at the others."""
        try:
            receipt = await self.keeper.remove(name)
        except DeclarationRefusedError as error:
            return Answer(error.status, str(error), name)
        if receipt is None and self.source.owner_is_outside(name):
            words = f"the service {name} is declared by its own labels or by variables: change those"
            return Answer(_CONFLICT, words, name)
        if receipt is None:
            return Answer(_NOT_FOUND, f"no service {name} is declared through the API", name)
        self.mark_dirty("a service was undeclared")
        if not self.source.owner_is_outside(name) and not await self.status.settled(name, None, limit=self.limit):
            return Answer(_FAILED, f"{name} is undeclared, but still in force after {self.limit:g} s", name)
        return await self.distribution.completed(Answer(_OK, f"{name} is undeclared", name), receipt, asked=distribute)

    async def announced(self, name: str) -> bool:
        """Look again; return whether what the request says of a service is Swarm's own news and no wish to change it.

        Listeners send notifications that look like orders. What they tell is in the world, or will be in a moment.
        """
        self.mark_dirty("somebody announced a change")
        if self.is_legacy():
            return True
        if not self.follows_listeners or self.source.owner_is_outside(name):
            return self.source.owner_is_outside(name)
        try:
            async with asyncio.timeout(_ANNOUNCED_LIMIT):
                while not self.source.owner_is_outside(name):
                    await self.status.changed.wait()
        except TimeoutError:
            return False
        return True

    def keeps(self, name: str) -> bool:
        """Return whether a service is declared through the API."""
        return any(service.name == name and is_declared(service) for service in self.source.world.services)

    def kept(self) -> list[SwarmService]:
        """Return all services that are declared through the API."""
        return [service for service in self.source.world.services if is_declared(service)]

    def _problems(self, name: str, labels: Mapping[str, str]) -> tuple[Problem, ...]:
        if not is_service_name(name):
            words = "serviceName must be letters, digits, '_', '.' and '-', beginning with a letter or digit"
            return (Problem("serviceName", words),)
        return read_labels(name, labels, self.rules).problems

    def _judged(self, name: str) -> Answer:
        view = self.status.service_view(name)
        facts: list[dict[str, Any]] = view["conditions"] if view else []
        bad = {fact["type"]: fact["message"] for fact in facts if fact["status"] == "False"}
        message = "; ".join(bad.values())
        if "Accepted" in bad:
            return Answer(_CONFLICT, message, name, facts)
        if "Programmed" in bad:
            return Answer(_FAILED, message, name, facts)
        return Answer(_OK, f"{name} is configured", name, facts, remark=message)


def _status_of(problems: tuple[Problem, ...]) -> int:
    """Return 409 where DFP does, for want of a path and a domain, and 400 else. Source: DFP, ``reconfigure``."""
    lacks_path = all(
        problem.text.startswith(f"{PREFIX}servicePath") and "missing" in problem.text for problem in problems
    )
    return _CONFLICT if lacks_path else _BAD_REQUEST
