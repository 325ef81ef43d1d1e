"""`Notifier`: all targets together, and what is remembered of them over a restart."""

import asyncio
import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import httpx
import structlog

from controller.notifications.ledger import Created, Removed
from controller.notifications.messages import Facts, Vocabulary, node_facts, service_facts
from controller.notifications.metrics import DockerFlowMetrics
from controller.notifications.nodes import NO_HOSTNAMES, Hostnames
from controller.notifications.sending import Worker
from controller.notifications.targets import Kind, Target
from controller.sources.health import Outage
from controller.sources.saved import write_private
from models.snapshot import Snapshot

log = structlog.get_logger()

_LIMIT = 60.0
"""Seconds for one notification: DFP checks a configuration for up to 20 before it answers."""


class Notifier:
    """Tells every target about the world; targets wait for nothing and for nobody.

    Who is told of removals must be told of those, too, that happen while the listener is away: what they know is kept
    in the file at ``path``. All else is told again after a restart. ``interval`` is in seconds; without ``retries``
    nothing is told twice. ``immediately``: a service need not have run to be told of.
    """

    def __init__(
        self,
        targets: Iterable[Target],
        vocabulary: Vocabulary,
        metrics: DockerFlowMetrics,
        path: Path,
        *,
        interval: float,
        retries: bool = True,
        immediately: bool = False,
    ) -> None:
        self._immediately = immediately
        self._vocabulary = vocabulary
        self._metrics = metrics
        self._path = path
        self._outage = Outage("Notifications cannot be remembered", "Notifications can be remembered", path=str(path))
        self._client = httpx.AsyncClient(timeout=_LIMIT, trust_env=False)
        self._known_services: frozenset[str] = frozenset()
        self._removed: dict[str, Removed] = {}
        self._saved = ""
        kept = _load(path)
        self._workers = [self._worker(target, kept, interval, retries=retries) for target in dict.fromkeys(targets)]

    @property
    def wants_nodes(self) -> bool:
        """Whether anybody is told about nodes."""
        return any(worker.target.kind == "node" for worker in self._workers)

    def look_at_services(self, snapshot: Snapshot, hostnames: Hostnames = NO_HOSTNAMES) -> None:
        """Take notice of all services; ``hostnames`` are those of the nodes, if it is to be told where tasks run."""
        self._metrics.services(len(snapshot.services))
        facts = service_facts(
            snapshot, self._known_services, self._vocabulary, hostnames=hostnames, immediately=self._immediately
        )
        self._known_services = frozenset(facts)
        self._look("service", facts)

    def look_at_nodes(self, nodes: Iterable[Mapping[str, str]]) -> None:
        """Take notice of all nodes."""
        self._look("node", node_facts(nodes))

    def forget(self) -> None:
        """Tell everything again."""
        for worker in self._workers:
            worker.forget()

    async def run(self) -> None:
        """Send, for ever."""
        try:
            async with asyncio.TaskGroup() as group:
                for worker in self._workers:
                    group.create_task(worker.run())
        finally:
            await self._client.aclose()

    def _worker(
        self, target: Target, kept: Mapping[str, dict[str, dict[str, str]]], interval: float, *, retries: bool
    ) -> Worker:
        ledger = Created() if target.action == "create" else Removed(kept.get(_key(target)))
        if isinstance(ledger, Removed):
            self._removed[_key(target)] = ledger
        return Worker(
            target,
            ledger,
            self._client,
            self._metrics,
            interval=interval,
            retries=retries,
            on_accepted=self._save,
        )

    def _look(self, kind: Kind, facts: Facts) -> None:
        for worker in self._workers:
            if worker.target.kind == kind:
                worker.look(facts)
        self._save()

    def _save(self) -> None:
        """Keep what the targets know; a disk that cannot be written takes only the memory of a restart."""
        known = {key: {id_: dict(said) for id_, said in ledger.known.items()} for key, ledger in self._removed.items()}
        content = json.dumps(known, sort_keys=True)
        if not known or content == self._saved:
            return
        try:
            write_private(self._path, content.encode())
        except OSError as error:
            self._outage.begin(error.strerror or error)
            return
        self._saved = content
        self._outage.end()


def _key(target: Target) -> str:
    """Return the name of a target in the file; of its query, which may hold a secret, a digest is in it."""
    return f"{target.kind} {target.shown} {hashlib.sha256(target.url.encode()).hexdigest()[:16]}"


def _load(path: Path) -> dict[str, dict[str, dict[str, str]]]:
    try:
        content = json.loads(path.read_bytes())
        return {
            target: {id_: {str(name): str(value) for name, value in said.items()} for id_, said in known.items()}
            for target, known in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError) as error:
        log.warning("Remembered notifications ignored", path=str(path), error=type(error).__name__)
        return {}
