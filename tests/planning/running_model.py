"""A HAProxy in memory that changes as it is told, and objects to what the real one would refuse."""

from dataclasses import dataclass, field

from routing.matching import looked_up

from controller.changes import (
    BackendAdded,
    BackendPublished,
    BackendRetired,
    Change,
    MapChanged,
    MapReplaced,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from models.observed import Observed, ObservedServer
from models.passthrough import handover
from models.routing import ACME_PREFIX
from render import records


@dataclass
class RunningModel:
    """What runs, changed in place; starts as ``observed``."""

    observed: Observed
    maps: dict[str, dict[str, str]] = field(init=False)
    backends: dict[str, dict[str, ObservedServer]] = field(init=False)
    unpublished: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.maps = {name: dict(entries) for name, entries in self.observed.maps.items()}
        self.backends = {name: dict(servers) for name, servers in self.observed.backends.items()}

    def apply(self, change: Change) -> None:
        """Change what runs, as HAProxy would."""
        match change:
            case BackendAdded(backend, profile, _):
                assert backend not in self.backends
                assert f"profile:{profile}" in self.maps[records.LOADED]
                self.backends[backend] = {}
                self.unpublished.add(backend)
            case BackendPublished(backend):
                self.unpublished.remove(backend)
            case ServerAdded(backend, server, address, port):
                assert server not in self.backends[backend]
                self.backends[backend][server] = ObservedServer(address, port)
            case ServerMoved(backend, server, address, port):
                assert server in self.backends[backend]
                self.backends[backend][server] = ObservedServer(address, port)
            case ServerRetired(backend, server):
                del self.backends[backend][server]
            case BackendRetired(backend):
                assert backend not in self.routed()
                assert self.backends.pop(backend) == {}
            case MapChanged(file, entries, removed):
                self.maps.setdefault(file, {}).update(entries)
                for key in removed:
                    del self.maps[file][key]
            case MapReplaced(file, entries):
                self.maps[file] = dict(entries)

    def routed(self) -> set[str]:
        """Return the backends that some route leads to."""
        routes = {value.rpartition("|")[2] for value in self.maps.get(records.PREFIXES, {}).values()}
        names = (self.maps.get(file, {}).values() for file in records.MAKE_ORDER if "passed" in file)
        return routes.union(*names)

    def passing(self, port: int, name: str) -> str | None:
        """Return the backend that gets the connection for a name now; it must be there and published."""
        names, endings = self.maps[records.PASSED_NAMES], self.maps[records.PASSED_ENDINGS]
        key = f"{name}#{port}"
        ending = next((value for end, value in endings.items() if key.endswith(end)), None)
        backend = names.get(key) or ending or self.maps[records.PASSED_REST].get(str(port))
        assert backend in {None, handover(port), *self.backends} - self.unpublished
        return backend

    def answering(self, host: str, path: str) -> str | None:
        """Return the backend that answers a request now; it must be there and published."""
        backend = looked_up(
            host,
            path,
            is_challenge=path.startswith(ACME_PREFIX),
            domains=self.maps[records.DOMAINS],
            wildcards=self.maps[records.WILDCARDS],
            prefixes=self.maps[records.PREFIXES],
        )
        assert backend in {None, *self.backends} - self.unpublished
        return backend
