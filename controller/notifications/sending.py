"""Sending: one worker for each target, which tells it what it does not know yet until it knows all."""

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import structlog

from controller.backoff import Backoff
from controller.notifications.ledger import Ledger, Message
from controller.notifications.messages import Facts
from controller.notifications.metrics import DockerFlowMetrics
from controller.notifications.targets import Target

log = structlog.get_logger()

_ACCEPTED = frozenset({httpx.codes.OK, httpx.codes.CONFLICT})
"""A conflict is accepted: the service is meant for others. Source: DFSL's notifier."""
_FIRST_PAUSE = 0.25


@dataclass(slots=True)
class _Retry:
    """A message that was not accepted, and when to try again (monotonic seconds)."""

    digest: str
    backoff: Backoff
    at: float = 0.0
    tries: int = 0


class Worker:
    """Tells one target; ``interval`` is the longest pause between attempts, in seconds.

    Without ``retries`` there is one attempt, until the message changes or everything is to be told again.
    A message that is refused holds up no other; a target that cannot be reached is left alone for the pause.
    """

    def __init__(
        self,
        target: Target,
        ledger: Ledger,
        client: httpx.AsyncClient,
        metrics: DockerFlowMetrics,
        *,
        interval: float,
        retries: bool = True,
        on_accepted: Callable[[], None] = lambda: None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.target = target
        self._ledger = ledger
        self._client = client
        self._metrics = metrics
        self._interval = interval
        self._tries_again = retries
        self._on_accepted = on_accepted
        self._clock = clock
        self._retries: dict[str, _Retry] = {}
        self._stirred = asyncio.Event()

    def look(self, facts: Facts) -> None:
        """Take notice of the whole world."""
        self._ledger.look(facts)
        self._stirred.set()

    def forget(self) -> None:
        """Have everything told again."""
        self._ledger.forget()
        for retry in self._retries.values():
            retry.at = 0.0
        self._stirred.set()

    async def run(self) -> None:
        """Tell the target what it does not know, for ever."""
        while True:
            self._stirred.clear()
            pause = await self._round()
            try:
                async with asyncio.timeout(pause):
                    await self._stirred.wait()
            except TimeoutError:
                continue

    async def _round(self) -> float | None:
        """Try everything that is due; return the seconds until something else is, None if all is told."""
        pending = self._ledger.pending()
        self._retries = {message.id: self._retry(message) for message in pending}
        for message in pending:
            if self._retries[message.id].at <= self._clock() and not await self._tell(message):
                break
        waiting = [retry.at for retry in self._retries.values() if retry.at < math.inf]
        return max(0.0, min(waiting) - self._clock()) if waiting else None

    def _retry(self, message: Message) -> _Retry:
        known = self._retries.get(message.id)
        if known is not None and known.digest == message.digest:
            return known
        pause = min(_FIRST_PAUSE, self._interval)
        return _Retry(message.digest, Backoff(first=pause, longest=self._interval))

    async def _tell(self, message: Message) -> bool:
        """Send one message; False if the target cannot be reached at all, and the others are to wait."""
        retry = self._retries[message.id]
        self._announce(message, retry)
        try:
            response = await self._client.request(
                self.target.method, self.target.url, params={**self.target.query, **message.parameters}
            )
        except httpx.HTTPError as error:
            self._failed(message, str(error) or type(error).__name__)
            if not self._tries_again:
                return True
            for each in self._retries.values():
                each.at = max(each.at, retry.at)
            return False
        if response.status_code in _ACCEPTED:
            self._ledger.accepted(message)
            del self._retries[message.id]
            self._on_accepted()
        else:
            self._failed(message, f"status {response.status_code}")
        return True

    def _announce(self, message: Message, retry: _Retry) -> None:
        """Log as DFSL does, but without the parameters, which may hold passwords."""
        words = f"{self.target.kind} {self.target.action}d notification to {self.target.shown}"
        name = message.parameters.get("serviceName") or message.parameters.get("hostname", "")
        words = f"Sending {words}" if retry.tries == 0 else f"Retrying {words} ({retry.tries} try)"
        log.info(words, name=name)

    def _failed(self, message: Message, why: str) -> None:
        retry = self._retries[message.id]
        retry.tries += 1
        retry.at = self._clock() + max(retry.backoff.next_delay(), 0.01) if self._tries_again else math.inf
        if retry.tries == 1:
            words = f"ERROR: {self.target.shown} has not accepted a notification"
            log.error(words, error=why)
        operation = f"notificationSend{self.target.action.capitalize()}{self.target.kind}Request"
        self._metrics.failed(operation)
