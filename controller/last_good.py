"""The labels that were valid last of services whose labels no longer are, on disk, for the controller that starts next.

Swarm itself remembers only the labels of before a service's last update, whatever that update was about: scaling a
service whose labels are broken is enough for the good ones to be forgotten there.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from controller.judging import reading_of
from controller.sources.health import Outage
from controller.sources.saved import write_private
from models.reading import LabelRules
from models.service import ProxyService
from models.snapshot import Snapshot, SwarmService

log = structlog.get_logger()


@dataclass(slots=True)
class LastGood:
    """Notes labels in the file at ``path``; it holds passwords, so only its owner may read it.

    A disk that is full or read-only takes this memory away, and nothing else.
    """

    path: Path
    rules: LabelRules
    _seen: dict[str, SwarmService] = field(default_factory=dict)
    _good: dict[str, SwarmService] = field(default_factory=dict)
    _last: Snapshot | None = None
    _written: Mapping[str, SwarmService] = field(default_factory=dict)
    _outage: Outage = field(init=False)

    def __post_init__(self) -> None:
        self._outage = Outage(
            "Last good labels cannot be saved", "Last good labels can be saved again", path=str(self.path)
        )

    def forms(self) -> dict[str, ProxyService]:
        """Return what was in force when the controller ended, by service id, of the services that were noted."""
        self._good = _read(self.path)
        self._written = dict(self._good)
        readings = {id_: self._form(service) for id_, service in self._good.items()}
        return {id_: form for id_, form in readings.items() if form is not None}

    def note(self, snapshot: Snapshot) -> None:
        """Note the last good labels of all services in a world that need it; costs little if nothing has changed."""
        if snapshot is self._last:
            return
        self._last = snapshot
        services = {service.id: service for service in snapshot.services}
        for id_, service in services.items():
            if self._seen.get(id_) is not service and self._form(service) is not None:
                self._good[id_] = service
        self._seen = services
        self._good = {id_: good for id_, good in self._good.items() if id_ in services}
        changed = ((id_, good) for id_, good in self._good.items() if good is not services[id_])
        self._write({id_: good for id_, good in changed if good.labels != services[id_].labels})

    def _form(self, service: SwarmService) -> ProxyService | None:
        return reading_of(service, service.labels, self.rules).service

    def _write(self, kept: dict[str, SwarmService]) -> None:
        """Write what is to be remembered, unless the file says the same."""
        if kept == self._written:
            return
        content = {id_: [good.name, good.stack, dict(good.labels)] for id_, good in kept.items()}
        try:
            write_private(self.path, json.dumps(content).encode())
        except OSError as error:
            self._outage.begin(error.strerror or error)
            return
        self._written = kept
        self._outage.end()


def _read(path: Path) -> dict[str, SwarmService]:
    """Return what a file holds; one that is of no use is reported, and is as good as none."""
    try:
        content = json.loads(path.read_bytes())
        return {
            id_: SwarmService(id=id_, name=name, stack=stack, labels=labels)
            for id_, (name, stack, labels) in content.items()
        }
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        log.warning("Last good labels ignored", path=str(path), error=str(error))
        return {}
