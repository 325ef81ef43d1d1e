"""Where the tasks of a service run, for those who scrape each of them: DFSL's parameter ``nodeInfo``."""

import json
from collections.abc import Awaitable, Callable, Iterator, Mapping
from types import MappingProxyType

import structlog

from controller.errors import SourceUnavailableError
from models.interface import address_of, network_of
from models.reading import PREFIX
from models.snapshot import Snapshot, SwarmService

log = structlog.get_logger()

SCRAPE_NETWORK = f"{PREFIX}scrapeNetwork"
Hostnames = Mapping[str, str]
"""The host name of each node by its id."""
NO_HOSTNAMES: Hostnames = MappingProxyType({})


class NodeNames:
    """The host names of the nodes, which hardly ever change: they are read when a task runs on an unknown node.

    ``read`` reads the nodes as DFSL describes them; ``failed`` counts a failure.
    """

    def __init__(
        self, read: Callable[[], Awaitable[tuple[dict[str, str], ...]]], failed: Callable[[str], None]
    ) -> None:
        self._read = read
        self._failed = failed
        self._known: dict[str, str] = {}

    async def of(self, snapshot: Snapshot) -> Hostnames:
        """Return the host names of the nodes that tasks run on which somebody scrapes, and perhaps of others."""
        wanted = {
            task.node for service in snapshot.services if SCRAPE_NETWORK in service.labels for task in service.tasks
        }
        if not wanted <= self._known.keys():
            try:
                self._known = {node["id"]: node["hostname"] for node in await self._read()}
            except SourceUnavailableError as error:
                self._failed("ListenForNodeEvents")
                log.debug("Nodes cannot be read", error=str(error))
        return self._known


def node_info(service: SwarmService, hostnames: Hostnames, *, with_addresses: bool) -> str | None:
    """Return ``nodeInfo`` of a service with a scrape network; None if there is nothing to tell.

    It is a JSON list of lists: the node's host name, the task's address on that network (empty unless
    ``with_addresses``), the node's id. Nodes without a known name are left out. Source: DFSL's ``GetNodeInfo``.
    """
    found = sorted(set(_places(service, hostnames, with_addresses=with_addresses)))
    return json.dumps(found, separators=(",", ":"), ensure_ascii=False) if found else None


def _places(service: SwarmService, hostnames: Hostnames, *, with_addresses: bool) -> Iterator[tuple[str, str, str]]:
    networks = service.networks_called(service.labels.get(SCRAPE_NETWORK, ""))
    for task in service.tasks:
        if task.state != "running" or task.node not in hostnames:
            continue
        addresses = [address_of(each) for each in task.addresses if network_of(each) in networks]
        if addresses or not with_addresses:
            yield hostnames[task.node], addresses[-1] if with_addresses else "", task.node
