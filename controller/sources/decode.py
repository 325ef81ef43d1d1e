"""From the Docker API's JSON to a `Snapshot`: the one place that knows how Docker spells things.

It is pure, so that every odd answer an engine may give can be a line in a test. An answer is either usable or
broken (`ValueError`), and it is broken as a whole: leaving out the one service that cannot be understood would
look just like its removal, and its routes would go. Only what says who an object is (``ID``, ``Spec.Name``) and
what it wants (``Spec.Labels``) is needed; every other part may be missing or odd, and is then taken as absent.
"""

from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from functools import partial
from typing import Literal, NamedTuple

from pydantic_core import from_json

from controller.sources.objects import Objects, objects_of
from models.interface import address_of, interface, network_of
from models.snapshot import EPOCH, Snapshot, SwarmService, Task
from models.tables import Derived, Gathered, Latest, Table

NOTIFY_LABEL = "com.df.notify"
LABEL_PREFIX = "com.df."
STACK_LABEL = "com.docker.stack.namespace"
"""The label that Docker gives to all services of a stack: the name of the stack."""

_FALSE = frozenset({"false", "f", "0", "no", "off"})
_UPDATING = frozenset({"updating", "rollback_started"})


class _Mode(NamedTuple):
    mode: Literal["replicated", "global"]
    replicas: int | None


class _VirtualIp(NamedTuple):
    """A virtual IP, with the network that it is in by id and in CIDR form."""

    network_id: str
    address: str
    network: str


class _Fields(NamedTuple):
    """Those fields of a `SwarmService` that the object of ``GET /services`` tells."""

    id: str
    name: str
    version: int
    created_at: datetime
    stack: str
    labels: Mapping[str, str]
    previous_labels: Mapping[str, str] | None
    mode: Literal["replicated", "global"]
    replicas: int | None
    endpoint_mode: Literal["vip", "dnsrr"]
    updating: bool


_TOLD = {*_Fields._fields, "virtual_ips", "networks", "tasks"}
"""The fields of a `SwarmService` that Docker tells."""


class _ServicePart(NamedTuple):
    """What one object of ``GET /services`` says by itself."""

    fields: _Fields
    virtual_ips: tuple[_VirtualIp, ...]


class _Attachment(NamedTuple):
    """A task's place on one network, which is told by id and name."""

    network_id: str
    name: str
    addresses: tuple[str, ...]


class _TaskPart(NamedTuple):
    """What one object of ``GET /tasks`` says by itself.

    ``names`` are those of its networks by id, ``networks`` the same by CIDR form.
    """

    service_id: str
    task: Task
    ingress_networks: frozenset[str]
    names: tuple[tuple[str, str], ...]
    networks: tuple[tuple[str, str], ...]


class SnapshotDecoder:
    """Decodes pairs of answers: to ``GET /services``, and to ``GET /tasks`` with desired state ``running``.

    What did not change since the last pair is neither parsed nor put together again, but the very same object.
    """

    def __init__(self, *, notify_label: str = NOTIFY_LABEL, label_prefix: str = LABEL_PREFIX) -> None:
        self._services: Objects[_ServicePart] = Objects(
            partial(_service_part, notify_label=notify_label, label_prefix=label_prefix)
        )
        self._tasks: Objects[_TaskPart] = Objects(_task_part)
        self._ingress_networks: Gathered[str, bool, str, bool] = Gathered(_ingress_networks_seen)
        self._names: Gathered[str, str, str, str] = Gathered(lambda task: dict(task.names))
        self._tasks_by_service = Gathered(_by_service, _in_order)
        self._joined: Derived[str, SwarmService] = Derived(self._join)
        self._by_name: Gathered[str, SwarmService, tuple[str, str], SwarmService] = Gathered(
            lambda service: {(service.name, service.id): service}
        )
        self._networks: tuple[Mapping[str, bool], Mapping[str, str]] = ({}, {})
        self._snapshot = Latest(_snapshot)

    @property
    def bodies(self) -> tuple[bytes, bytes]:
        """The last two answers about everything, as far as the next ones are compared with them."""
        return self._services.body, self._tasks.body

    def decode(self, services: bytes, tasks: bytes) -> Snapshot:
        """Decode two answers.

        Services come sorted by name, with their tasks sorted by slot, node and id. Tasks of no service in the
        answer are left out: they belong to services that did not opt in, to ``docker network attach``, or to a
        service created between both readings.

        Raises:
            ValueError: an answer is not a list of objects that say who they are.
        """
        return self._put_together(self._tasks.decode(tasks), self._services.decode(services))

    def decode_some(self, ids: Collection[str], services: bytes, tasks: bytes) -> Snapshot:
        """Decode two answers that are about the services with these IDs alone; all others are what they were.

        Raises:
            ValueError: an answer is not a list of objects that say who they are.
        """
        known = self._tasks_by_service(self._tasks.table)
        former = [part.task.id for id_ in ids for part in known.get(id_, ())]
        return self._put_together(self._tasks.decode_some(former, tasks), self._services.decode_some(ids, services))

    def _put_together(self, task_parts: Table[str, _TaskPart], service_parts: Table[str, _ServicePart]) -> Snapshot:
        networks = (self._ingress_networks(task_parts), self._names(task_parts))
        affected = () if networks == self._networks else service_parts
        self._networks = networks
        joined = self._joined(service_parts, self._tasks_by_service(task_parts), again=affected)
        snapshot: Snapshot = self._snapshot(self._by_name(joined))
        return snapshot

    def _join(self, part: _ServicePart | None, tasks: tuple[_TaskPart, ...] | None) -> SwarmService | None:
        """Put together what was found of a service."""
        if part is None:
            return None
        ingress_networks, names = self._networks
        reachable = [each for each in part.virtual_ips if each.network_id not in ingress_networks]
        networks = {each.network: names[each.network_id] for each in reachable if each.network_id in names}
        networks.update(pair for each in tasks or () for pair in each.networks)
        # All is of the right types here; what is validated once more is copied, for each of thousands.
        return SwarmService.model_construct(
            _TOLD,
            **part.fields._asdict(),
            virtual_ips=tuple(each.address for each in reachable),
            networks=dict(sorted(networks.items())),
            tasks=tuple(each.task for each in tasks or ()),
        )


def _ingress_networks_seen(task: _TaskPart) -> Mapping[str, bool]:
    return dict.fromkeys(task.ingress_networks, True)


def _by_service(task: _TaskPart) -> Mapping[str, _TaskPart]:
    return {task.service_id: task}


def _in_order(tasks: Mapping[str, _TaskPart]) -> tuple[_TaskPart, ...]:
    return tuple(sorted(tasks.values(), key=lambda part: (part.task.slot, part.task.node, part.task.id)))


def _snapshot(services: Mapping[tuple[str, str], SwarmService]) -> Snapshot:
    return Snapshot(services=tuple(services.values()))


def decode_addresses(tasks: bytes) -> frozenset[str]:
    """The addresses, without prefix length, of all tasks in an answer to ``GET /tasks``.

    Raises:
        ValueError: the answer is not a list of objects.
    """
    items = objects_of(from_json(tasks))
    return frozenset(address_of(address) for item in items for each in _attachments(item) for address in each.addresses)


def decode_nodes(nodes: bytes) -> tuple[dict[str, str], ...]:
    """The nodes in an answer to ``GET /nodes`` as flat texts, sorted by id, with DFSL's names.

    Labels of the engine and of the node come without their prefix; those of the node win, and facts win over labels.

    Raises:
        ValueError: the answer is not a list of nodes.
    """
    return tuple(sorted(map(_node, objects_of(from_json(nodes))), key=lambda node: node["id"]))


def _node(item: Mapping[str, object]) -> dict[str, str]:
    labels: dict[str, str] = {}
    for found in (_dig(item, "Description", "Engine", "Labels"), _dig(item, "Spec", "Labels")):
        texts = found.items() if isinstance(found, dict) else ()
        labels |= {key.removeprefix(LABEL_PREFIX): _text(value) for key, value in texts if key.startswith(LABEL_PREFIX)}
    return labels | {
        "id": _identity(item, "ID"),
        "hostname": _text(_dig(item, "Description", "Hostname")),
        "address": _text(_dig(item, "Status", "Addr")),
        "versionIndex": str(_count(_dig(item, "Version", "Index"), 0)),
        "state": _text(_dig(item, "Status", "State")),
        "role": _text(_dig(item, "Spec", "Role")),
        "availability": _text(_dig(item, "Spec", "Availability")),
    }


def find_service_id(services: bytes, name: str) -> str | None:
    """The id of the service called exactly ``name`` in an answer to ``GET /services``, or None.

    Docker's own name filter matches prefixes.

    Raises:
        ValueError: the answer is not a list of services.
    """
    items = objects_of(from_json(services))
    return next((_identity(item, "ID") for item in items if _dig(item, "Spec", "Name") == name), None)


def service_ids(services: bytes) -> tuple[str, ...]:
    """The IDs of the services in an answer to ``GET /services``.

    Raises:
        ValueError: the answer is not a list of services.
    """
    return tuple(_identity(item, "ID") for item in objects_of(from_json(services)))


def opts_in(labels: Mapping[str, str], notify_label: str = NOTIFY_LABEL) -> bool:
    """True if the opt-in label is there with any value but a false one (``false``, ``f``, ``0``, ``no``, ``off``)."""
    value = labels.get(notify_label)
    return value is not None and value.strip().lower() not in _FALSE


def keep_labels(labels: Mapping[str, str], notify_label: str, label_prefix: str) -> dict[str, str]:
    """Only the labels that are addressed to us, by key: the rest may be long, and is none of a proxy's business."""
    return {key: labels[key] for key in sorted(labels) if key.startswith(label_prefix) or key == notify_label}


def _service_part(item: Mapping[str, object], *, notify_label: str, label_prefix: str) -> _ServicePart | None:
    """Decode a service; None if it did not opt in."""
    labels = _labels(item, "Spec")
    if not opts_in(labels, notify_label):
        return None
    previous_labels = None
    if isinstance(item.get("PreviousSpec"), dict):
        previous_labels = keep_labels(_labels(item, "PreviousSpec"), notify_label, label_prefix)
    mode = _mode(_dig(item, "Spec", "Mode"))
    fields = _Fields(
        id=_identity(item, "ID"),
        name=_identity(item, "Spec", "Name"),
        version=_count(_dig(item, "Version", "Index"), 0),
        created_at=_moment(_dig(item, "CreatedAt")),
        stack=labels.get(STACK_LABEL, ""),
        labels=keep_labels(labels, notify_label, label_prefix),
        previous_labels=previous_labels,
        mode=mode.mode,
        replicas=mode.replicas,
        endpoint_mode=_endpoint_mode(item),
        updating=_text(_dig(item, "UpdateStatus", "State")) in _UPDATING,
    )
    return _ServicePart(fields, tuple(_virtual_ips(item)))


def _mode(mode: object) -> _Mode:
    """Jobs run to an end, so nothing should be routed to them and no task is awaited: they count as scaled to 0."""
    if not isinstance(mode, dict):
        return _Mode("replicated", None)
    if "Global" in mode:
        return _Mode("global", None)
    if "GlobalJob" in mode:
        return _Mode("global", 0)
    if "ReplicatedJob" in mode:
        return _Mode("replicated", 0)
    # Docker's default where the number is left out.
    return _Mode("replicated", _count(_dig(mode, "Replicated", "Replicas"), 1))


def _endpoint_mode(item: Mapping[str, object]) -> Literal["vip", "dnsrr"]:
    """What the endpoint is, or else what the spec asks for: before the first allocation there is no endpoint."""
    stated = _dig(item, "Endpoint", "Spec", "Mode") or _dig(item, "Spec", "EndpointSpec", "Mode")
    return "dnsrr" if stated == "dnsrr" else "vip"


def _virtual_ips(item: Mapping[str, object]) -> Iterable[_VirtualIp]:
    for entry in _list(_dig(item, "Endpoint", "VirtualIPs")):
        for address in _interfaces([_dig(entry, "Addr")]):
            yield _VirtualIp(_text(_dig(entry, "NetworkID")), address, network_of(address))


def _ingress_networks(task: Mapping[str, object]) -> frozenset[str]:
    """The ids of the networks that carry published ports (Docker API: ``Network.Spec.Ingress`` of an attachment).

    Nearly every published service has an address there, the proxy too, but virtual IPs of that network answer
    only to the routing mesh. Taken for a shared network, it would lead every request nowhere.
    """
    networks = (_dig(entry, "Network") for entry in _list(task.get("NetworksAttachments")))
    return frozenset(_text(_dig(network, "ID")) for network in networks if _is_ingress(network)) - {""}


def _is_ingress(network: object) -> bool:
    return _dig(network, "Spec", "Ingress") is True


def _task_part(item: Mapping[str, object]) -> _TaskPart:
    attachments = tuple(_attachments(item))
    task = Task(
        id=_identity(item, "ID"),
        slot=_count(item.get("Slot"), 0),
        node=_text(item.get("NodeID")),
        state=_text(_dig(item, "Status", "State")) or "new",
        addresses=tuple(address for each in attachments for address in each.addresses),
    )
    named = [each for each in attachments if each.name]
    return _TaskPart(
        _text(item.get("ServiceID")),
        task,
        _ingress_networks(item),
        names=tuple((each.network_id, each.name) for each in named if each.network_id),
        networks=tuple((network_of(address), each.name) for each in named for address in each.addresses),
    )


def _attachments(item: Mapping[str, object]) -> Iterable[_Attachment]:
    """The networks that a task is on, ingress networks excepted (see `_ingress_networks`)."""
    for entry in _list(item.get("NetworksAttachments")):
        network = _dig(entry, "Network")
        if not _is_ingress(network):
            addresses = tuple(_interfaces(_list(_dig(entry, "Addresses"))))
            yield _Attachment(_text(_dig(network, "ID")), _text(_dig(network, "Spec", "Name")), addresses)


def _interfaces(values: Iterable[object]) -> Iterable[str]:
    """Those of the values that are addresses; Docker leaves them empty until they are allocated."""
    for value in values:
        try:
            yield interface(_text(value))
        except ValueError:
            continue


def _moment(value: object) -> datetime:
    """Docker writes up to nine digits of a second, and drops trailing zeros; Python keeps six."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return EPOCH
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _labels(item: Mapping[str, object], spec: str) -> Mapping[str, str]:
    labels = _dig(item, spec, "Labels")
    if labels is None:
        return {}
    if not isinstance(labels, dict) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError(f"the {spec}.Labels of service {_identity(item, 'ID')} are not texts by name")
    return labels


def _identity(item: Mapping[str, object], *path: str) -> str:
    value = _dig(item, *path)
    if not isinstance(value, str) or not value:
        raise ValueError(f"an object without {'.'.join(path)}")
    return value


def _dig(value: object, *path: str) -> object:
    for key in path:
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object, default: int) -> int:
    is_count = isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return value if is_count else default  # type: ignore[return-value]
