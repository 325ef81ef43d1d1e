"""A dataplane in memory that behaves as a real HAProxy does, as far as a controller can see.

``tests/haproxy/test_dataplane_contract.py`` holds it to that: the same tests run on it and on real ones.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from controller.changes import (
    Applied,
    BackendAdded,
    BackendPublished,
    BackendRetired,
    CertificateAdded,
    CertificateRemoved,
    CertificateRotated,
    Change,
    MapChanged,
    MapReplaced,
    Outcome,
    Plan,
    ReloadReason,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import (
    ConfigRejectedError,
    LoadRefusedError,
    RuntimeRefusedError,
    SwarmgateError,
    UnspeakableError,
)
from controller.haproxy.commands import steps
from models.observed import NOT_RUNNING, Capability, Observed, ObservedServer
from render.files import Rendered

UNKNOWN_KEYWORD = "no-keyword-of-haproxy"
"""A line of configuration that begins with it is refused, here as by every real HAProxy."""

EVERYTHING = frozenset(Capability)


@dataclass
class FakeHAProxy:
    """The running process: what is left when the controller dies.

    ``busy`` are the servers (backend, server) and backends (backend, "") that connections keep from being deleted.
    """

    capabilities: frozenset[Capability] = EVERYTHING
    running: bool = False
    maps: dict[str, dict[str, str]] = field(default_factory=dict)
    backends: dict[str, dict[str, ObservedServer]] = field(default_factory=dict)
    published: set[str] = field(default_factory=set)
    certificates: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    busy: set[tuple[str, str]] = field(default_factory=set)
    loads: int = 0

    def load(self, rendered: Rendered) -> None:
        """Become what the files say."""
        self.running = True
        self.loads += 1
        self.backends = _backends(rendered.config)
        self.published = set(self.backends)
        self.certificates = {file: (each.pem, each.filters) for file, each in rendered.certificates.items()}
        self.maps = {file: dict(entries) for file, entries in rendered.maps.items() if file in rendered.config}

    def change(self, change: Change) -> bool:
        """Bring a change about, or raise `RuntimeRefusedError`; False means that connections hold it up."""
        handlers: dict[type, Callable[[Any], bool | None]] = {
            BackendAdded: self._backend_added,
            BackendPublished: self._backend_published,
            BackendRetired: self._backend_retired,
            ServerAdded: self._server_added,
            ServerMoved: self._server_moved,
            ServerRetired: self._server_retired,
            MapChanged: self._map_changed,
            MapReplaced: self._map_replaced,
            CertificateAdded: self._certificate_added,
            CertificateRotated: self._certificate_rotated,
            CertificateRemoved: self._certificate_removed,
        }
        return handlers[type(change)](change) is not False

    def _backend_added(self, change: BackendAdded) -> None:
        if Capability.DYNAMIC_BACKENDS not in self.capabilities or change.backend in self.backends:
            raise RuntimeRefusedError(f"add backend {change.backend}")
        self.backends[change.backend] = {}

    def _backend_published(self, change: BackendPublished) -> None:
        if Capability.DYNAMIC_BACKENDS not in self.capabilities or change.backend not in self.backends:
            raise RuntimeRefusedError(f"publish backend {change.backend}")
        self.published.add(change.backend)

    def _backend_retired(self, change: BackendRetired) -> bool:
        if Capability.DYNAMIC_BACKENDS not in self.capabilities:
            raise RuntimeRefusedError(f"unpublish backend {change.backend}")
        self.published.discard(change.backend)
        for server in tuple(self.backends.get(change.backend, {})):
            self._server_retired(ServerRetired(change.backend, server))
        if self.backends.get(change.backend) or (change.backend, "") in self.busy:
            return False
        self.backends.pop(change.backend, None)
        return True

    def _server_added(self, change: ServerAdded) -> None:
        if change.server in self.backends.get(change.backend, {change.server: None}):
            raise RuntimeRefusedError(f"add server {change.backend}/{change.server}")
        self.backends[change.backend][change.server] = ObservedServer(change.address, change.port)

    def _server_moved(self, change: ServerMoved) -> None:
        if change.server not in self.backends.get(change.backend, {}):
            raise RuntimeRefusedError(f"set server {change.backend}/{change.server}")
        self.backends[change.backend][change.server] = ObservedServer(change.address, change.port)

    def _server_retired(self, change: ServerRetired) -> bool:
        servers = self.backends.get(change.backend, {})
        server = servers.get(change.server)
        if server is None:
            return True
        if (change.backend, change.server) in self.busy:
            servers[change.server] = ObservedServer(server.address, server.port, ready=False)
            return False
        del servers[change.server]
        return True

    def _map_changed(self, change: MapChanged) -> None:
        entries = self._map(change.file)
        entries |= change.entries
        for key in change.removed:
            entries.pop(key, None)

    def _map_replaced(self, change: MapReplaced) -> None:
        entries = self._map(change.file)
        entries.clear()
        entries |= change.entries

    def _certificate_added(self, change: CertificateAdded) -> None:
        _, filters = self.certificates.get(change.file, ("", change.filters))
        self.certificates[change.file] = (change.pem, filters)

    def _certificate_rotated(self, change: CertificateRotated) -> None:
        if change.file not in self.certificates:
            raise RuntimeRefusedError(f"set ssl cert {change.file}")
        self.certificates[change.file] = (change.pem, self.certificates[change.file][1])

    def _certificate_removed(self, change: CertificateRemoved) -> None:
        self.certificates.pop(change.file, None)

    def _map(self, file: str) -> dict[str, str]:
        if file not in self.maps:
            raise RuntimeRefusedError(f"Unknown map {file}")
        return self.maps[file]


@dataclass
class FakeDataplane:
    """A `Dataplane` on a `FakeHAProxy`; another one on the same process is the next controller.

    ``plans`` are those applied so far. ``fail_next`` is raised by the next `apply` or `observe`, before it does
    anything; ``refuse_next`` is the kind of change that HAProxy refuses once; ``rejects`` tells for a configuration
    what is wrong with which line.
    """

    haproxy: FakeHAProxy = field(default_factory=FakeHAProxy)
    fail_next: SwarmgateError | None = None
    refuse_next: type | None = None
    rejects: Callable[[str], Mapping[int, str]] = lambda _config: {}
    plans: list[Plan] = field(default_factory=list)

    async def observe(self) -> Observed:
        """Return what runs."""
        self._fail()
        if not self.haproxy.running:
            return NOT_RUNNING
        return Observed(
            running=True,
            version="0.0-fake",
            capabilities=self.haproxy.capabilities,
            maps={file: dict(entries) for file, entries in self.haproxy.maps.items()},
            backends={name: dict(servers) for name, servers in self.haproxy.backends.items()},
        )

    async def apply(self, plan: Plan, rendered: Rendered) -> Applied:
        """Bring about what the plan says."""
        self._fail()
        self.plans.append(plan)
        if plan.empty:
            return Applied(Outcome.NOOP)
        if plan.start or plan.reload_reasons:
            return self._load(rendered, plan.outcome, plan.reload_reasons, checked=plan.checked)
        try:
            for change in plan.changes:
                steps(change)
                self._change(change)
            pending = tuple(change for change in plan.retirements if not self._change(change))
        except (RuntimeRefusedError, UnspeakableError) as refusal:
            reloaded = self._load(rendered, Outcome.RELOAD, (ReloadReason.RUNTIME_REFUSED,))
            return replace(reloaded, refusal=str(refusal))
        return Applied(Outcome.RUNTIME, pending=pending)

    async def check(self, rendered: Rendered) -> None:
        """Refuse what could not be loaded."""
        self._fail()
        self._check(rendered)

    def _fail(self) -> None:
        error, self.fail_next = self.fail_next, None
        if error is not None:
            raise error

    def _change(self, change: Change) -> bool:
        if self.refuse_next is type(change):
            self.refuse_next = None
            raise RuntimeRefusedError(f"Refused as the test demands: {change}")
        return self.haproxy.change(change)

    def _load(
        self, rendered: Rendered, outcome: Outcome, reasons: tuple[ReloadReason, ...], *, checked: bool = False
    ) -> Applied:
        try:
            self._check(rendered)
        except ConfigRejectedError as error:
            raise (LoadRefusedError(str(error), output=error.output) if checked else error) from None
        self.haproxy.load(rendered)
        return Applied(outcome, reload_reasons=reasons)

    def _check(self, rendered: Rendered) -> None:
        wrong = {**_unknown_keywords(rendered.config), **self.rejects(rendered.config)}
        if wrong:
            output = "\n".join(
                f"[ALERT]    (1) : config : parsing [haproxy.cfg:{n}] : {what}" for n, what in wrong.items()
            )
            raise ConfigRejectedError(f"HAProxy rejects the configuration: {output}", output=output)


def _unknown_keywords(config: str) -> dict[int, str]:
    lines = enumerate(config.split("\n"), start=1)
    return {n: f"unknown keyword '{UNKNOWN_KEYWORD}'" for n, line in lines if line.split()[:1] == [UNKNOWN_KEYWORD]}


def _backends(config: str) -> dict[str, dict[str, ObservedServer]]:
    return {
        section.split()[1]: dict(_servers(section))
        for section in re.split(r"^(?=\S)", config, flags=re.MULTILINE)
        if section.startswith("backend ")
    }


def _servers(section: str) -> Iterator[tuple[str, ObservedServer]]:
    for line in section.split("\n"):
        words = line.split()
        if words[:1] == ["server"]:
            address, _, port = words[2].rpartition(":")
            yield words[1], ObservedServer(address.strip("[]"), int(port), ready="disabled" not in words)
