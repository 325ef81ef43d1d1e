"""Builders of worlds: small, composable, and valid as long as a test does not say otherwise.

A plain ``service("web")`` is reachable as ``/web``, has one running task, and a virtual IP on the proxy's own network.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from typing import Any

from controller.desired import build_desired
from controller.endpoints import Surroundings
from controller.judging import Refusal, judge
from models.conditions import Condition
from models.machine import Machine
from models.observed import Capability, Observed, ObservedServer
from models.proxy import Desired, LastGood
from models.reading import PREFIX, LabelRules, Reading, read_labels
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService, Task
from render import records
from render.configuration import render
from render.files import Rendered

BORN = datetime(2024, 1, 1, tzinfo=UTC)
"""When services are created, unless they are ``younger``."""
PROXY_NETWORK = "10.0.1.0/24"
"""The network that the proxy is attached to."""
MACHINE = Machine(
    maxconn=1000,
    fd_hard_limit=4096,
    runtime_socket="/run/swarmgate/haproxy.sock",
    internal_socket="/run/swarmgate/internal.sock",
)
SURROUNDINGS = Surroundings(networks=(ip_network(PROXY_NETWORK),))

OLD_HAPROXY = frozenset({Capability.DYNAMIC_SERVERS})
"""What HAProxy 2.8 can do at run time."""
NEW_HAPROXY = frozenset(Capability)
"""What HAProxy 3.4 can do at run time."""


def df(labels: Mapping[str, str] | None = None, /, **more: str) -> dict[str, str]:
    """Return labels with their prefix: ``df({"port.1": "80"}, servicePath="/demo")``."""
    return {f"{PREFIX}{name}": value for name, value in {**(labels or {}), **more}.items()}


def read(labels: Mapping[str, str], *, separator: str = ",") -> Reading:
    """Read the labels (without prefix) of the service ``web``."""
    return read_labels("web", df(labels), LabelRules(separator=separator))


def task(
    slot: int = 1, *, address: str | None = None, state: str = "running", task_id: str = "", node: str = ""
) -> Task:
    """Return the task in a slot, by default with an address on the proxy's network."""
    return Task(
        id=task_id or f"task{slot}{node}",
        slot=slot,
        node=node,
        state=state,
        addresses=(address or f"10.0.1.{100 + slot}/24",),
    )


def service(
    name: str = "web",
    labels: Mapping[str, str] | None = None,
    *,
    tasks: int | Iterable[Task] = 1,
    vips: Iterable[str] = ("10.0.1.10/24",),
    younger: int = 0,
    version: int = 7,
    **more: Any,  # noqa: ANN401 - any field of a service
) -> SwarmService:
    """Return a service; ``labels`` are without prefix, ``younger`` is in seconds after `BORN`."""
    given = {"servicePath": f"/{name}", "port": "8080"} if labels is None else labels
    return SwarmService(
        id=more.pop("id", f"id-{name}"),
        name=name,
        version=version,
        created_at=BORN + timedelta(seconds=younger),
        labels=df(given),
        tasks=tuple(task(slot) for slot in range(1, tasks + 1)) if isinstance(tasks, int) else tuple(tasks),
        virtual_ips=tuple(vips),
        **more,
    )


def snapshot(*services: SwarmService) -> Snapshot:
    """Return a world, sorted as sources sort it."""
    return Snapshot(services=tuple(sorted(services, key=lambda each: each.name)))


def desired_of(
    world: Snapshot,
    *,
    settings: ProxySettings | None = None,
    surroundings: Surroundings = SURROUNDINGS,
    forms: Mapping[str, LastGood] | None = None,
    rejected: Mapping[str, str] | None = None,
) -> Desired:
    """Judge a world and build what is desired of it; ``rejected`` are HAProxy's words about what services ask for."""
    settings = settings or ProxySettings()
    refusals = {name: Refusal(words) for name, words in (rejected or {}).items()}
    return build_desired(judge(world, settings, forms=forms or {}, rejected=refusals), settings, surroundings)


def rendered_of(world: Snapshot, *, settings: ProxySettings | None = None, **more: Any) -> Rendered:  # noqa: ANN401
    """Render a world."""
    settings = settings or ProxySettings()
    return render(desired_of(world, settings=settings, **more), settings, MACHINE)


def observed_of(rendered: Rendered, capabilities: frozenset[Capability] = NEW_HAPROXY) -> Observed:
    """Return what a HAProxy that was started from these files says of itself."""
    return Observed(
        running=True,
        version="3.4.0" if Capability.DYNAMIC_BACKENDS in capabilities else "2.8.0",
        capabilities=capabilities,
        maps={name: dict(entries) for name, entries in rendered.maps.items()},
        backends={
            name: {server: ObservedServer(line.address, line.port) for server, line in backend.servers.items()}
            for name, backend in rendered.backends.items()
        },
    )


def condition(desired: Desired, name: str, kind: str) -> Condition:
    """Return a service's condition of one type."""
    return next(fact for fact in desired.conditions[name] if fact.type == kind)


def reasons(desired: Desired, name: str) -> tuple[str, ...]:
    """Return the reasons of a service's conditions, in the order Accepted, ResolvedRefs, Programmed."""
    return tuple(fact.reason.value for fact in desired.conditions[name])


def routes(rendered_or_desired: Rendered | Desired) -> dict[str, str]:
    """Return the backend of every route, by its key."""
    if isinstance(rendered_or_desired, Rendered):
        prefixes = rendered_or_desired.maps[records.PREFIXES]
    else:
        prefixes = rendered_or_desired.routing.prefixes
    return dict(prefixes.items())
