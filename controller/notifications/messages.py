"""What is said about a service or a node: flat parameters under DFSL's names. Pure.

Source: DFSL, "Usage" and its parameters ``serviceName``, ``distribute``, ``replicas``, and all labels without prefix.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from controller.notifications.nodes import NO_HOSTNAMES, SCRAPE_NETWORK, Hostnames, node_info
from models.reading import PREFIX
from models.snapshot import Snapshot, SwarmService

Parameters = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """How services are spoken of: the opt-in label, which is left out, and what is put before their names.

    ``task_addresses``: addresses of tasks are told with the nodes that they run on.
    """

    notify_label: str = f"{PREFIX}notify"
    name_prefix: str = ""
    task_addresses: bool = True

    def created(self, service: SwarmService, hostnames: Hostnames = NO_HOSTNAMES) -> dict[str, str]:
        """Return the parameters of a service that is there; with ``hostnames`` of nodes, where its tasks run too."""
        labels = {
            label.removeprefix(PREFIX): value
            for label, value in service.labels.items()
            if label.startswith(PREFIX) and label not in (PREFIX, self.notify_label)
        }
        replicas = {} if service.replicas is None else {"replicas": str(service.replicas)}
        own = {"serviceName": self._name(service)} | replicas
        if hostnames and SCRAPE_NETWORK in service.labels:
            info = node_info(service, hostnames, with_addresses=self.task_addresses)
            own |= {} if info is None else {"nodeInfo": info}
        return {"distribute": "true"} | labels | own

    def removed(self, service: SwarmService) -> dict[str, str]:
        """Return the parameters of a service that is gone."""
        distribute = service.labels.get(f"{PREFIX}distribute", "true")
        return {"distribute": distribute, "serviceName": self._name(service)}

    def _name(self, service: SwarmService) -> str:
        is_short = service.labels.get(f"{PREFIX}shortName", "").lower() == "true"
        name = service.short_name if is_short else service.name
        return f"{self.name_prefix}_{name}" if self.name_prefix else name


@dataclass(frozen=True, slots=True)
class Fact:
    """One thing that is there, and what is said when it comes and when it goes."""

    created: Parameters = field(repr=False)
    removed: Parameters = field(repr=False)


Facts = Mapping[str, Fact]
"""Everything that is there, by id."""


def is_running(service: SwarmService) -> bool:
    """Return whether a service counts as running: one of its tasks does, or it lives elsewhere."""
    return service.host is not None or any(task.state == "running" for task in service.tasks)


def service_facts(
    snapshot: Snapshot,
    known: Iterable[str],
    vocabulary: Vocabulary,
    *,
    hostnames: Hostnames = NO_HOSTNAMES,
    immediately: bool = False,
) -> dict[str, Fact]:
    """Return the services that others should know of.

    One that has run stays ``known`` while its tasks are replaced, until it is scaled to 0 or removed; ``immediately``
    means that none of them need have run.
    """
    before = frozenset(known)
    return {
        service.id: Fact(vocabulary.created(service, hostnames), vocabulary.removed(service))
        for service in snapshot.services
        if is_running(service) or ((immediately or service.id in before) and service.replicas != 0)
    }


def node_facts(nodes: Iterable[Mapping[str, str]]) -> dict[str, Fact]:
    """Return the nodes that others should know of."""
    shown = ("id", "hostname", "address")
    return {node["id"]: Fact(node, {name: node[name] for name in shown}) for node in nodes}
