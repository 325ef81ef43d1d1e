"""From the Docker API's JSON to a `Snapshot`: the one place that knows how Docker spells things.

It is pure, so that every odd answer an engine may give can be a line in a test. An answer is either usable or
broken (`ValueError`), and it is broken as a whole: leaving out the one service that cannot be understood would
look just like its removal, and its routes would go. Only what says who an object is (``ID``, ``Spec.Name``) and
what it wants (``Spec.Labels``) is needed; every other part may be missing or odd, and is then taken as absent.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from ipaddress import ip_interface
from typing import Literal, NamedTuple

from models.snapshot import EPOCH, Interface, Snapshot, SwarmService, Task

NOTIFY_LABEL = "com.df.notify"
LABEL_PREFIX = "com.df."

_FALSE = frozenset({"false", "f", "0", "no", "off"})
_UPDATING = frozenset({"updating", "rollback_started"})


class _Mode(NamedTuple):
    mode: Literal["replicated", "global"]
    replicas: int | None


class _Reading(NamedTuple):
    """What all services of one reading have in common."""

    tasks: Mapping[str, list[Task]]
    ingress_networks: frozenset[str]
    notify_label: str
    label_prefix: str


def decode_snapshot(
    services: object, tasks: object, *, notify_label: str = NOTIFY_LABEL, label_prefix: str = LABEL_PREFIX
) -> Snapshot:
    """Decode the answers to ``GET /services`` and ``GET /tasks`` (only those with desired state ``running``).

    Services come sorted by name, with their tasks sorted by slot, node and id. Tasks of no service in the answer
    are left out: they belong to services that did not opt in, to ``docker network attach``, or to a service
    created between both readings.

    Raises:
        ValueError: an answer is not a list of objects that say who they are.
    """
    task_objects = _objects(tasks, "tasks")
    reading = _Reading(
        tasks=_tasks_by_service(task_objects),
        ingress_networks=_ingress_networks(task_objects),
        notify_label=notify_label,
        label_prefix=label_prefix,
    )
    decoded = (_service(item, reading) for item in _objects(services, "services"))
    return Snapshot(services=tuple(sorted((each for each in decoded if each), key=lambda each: each.name)))


def decode_addresses(tasks: object) -> frozenset[str]:
    """The addresses, without prefix length, of all tasks in an answer to ``GET /tasks``.

    Raises:
        ValueError: the answer is not a list of objects.
    """
    return frozenset(str(address.ip) for item in _objects(tasks, "tasks") for address in _task_addresses(item))


def find_service_id(services: object, name: str) -> str | None:
    """The id of the service called exactly ``name`` in an answer to ``GET /services``, or None.

    Docker's own name filter matches prefixes.

    Raises:
        ValueError: the answer is not a list of services.
    """
    ids = (_identity(item, "ID") for item in _objects(services, "services") if _dig(item, "Spec", "Name") == name)
    return next(ids, None)


def opts_in(labels: Mapping[str, str], notify_label: str = NOTIFY_LABEL) -> bool:
    """True if the opt-in label is there with any value but a false one (``false``, ``f``, ``0``, ``no``, ``off``)."""
    value = labels.get(notify_label)
    return value is not None and value.strip().lower() not in _FALSE


def keep_labels(labels: Mapping[str, str], notify_label: str, label_prefix: str) -> dict[str, str]:
    """Only the labels that are addressed to us, by key: the rest may be long, and is none of a proxy's business."""
    return {key: labels[key] for key in sorted(labels) if key.startswith(label_prefix) or key == notify_label}


def _service(item: Mapping[str, object], reading: _Reading) -> SwarmService | None:
    labels = _labels(item, "Spec")
    if not opts_in(labels, reading.notify_label):
        return None
    id_ = _identity(item, "ID")
    mode = _mode(_dig(item, "Spec", "Mode"))
    return SwarmService(
        id=id_,
        name=_identity(item, "Spec", "Name"),
        version=_count(_dig(item, "Version", "Index"), 0),
        created_at=_moment(_dig(item, "CreatedAt")),
        labels=keep_labels(labels, reading.notify_label, reading.label_prefix),
        previous_labels=_previous_labels(item, reading),
        mode=mode.mode,
        replicas=mode.replicas,
        endpoint_mode=_endpoint_mode(item),
        virtual_ips=_virtual_ips(item, reading.ingress_networks),
        tasks=tuple(reading.tasks.get(id_, ())),
        updating=_dig(item, "UpdateStatus", "State") in _UPDATING,
    )


def _previous_labels(item: Mapping[str, object], reading: _Reading) -> dict[str, str] | None:
    if not isinstance(item.get("PreviousSpec"), Mapping):
        return None
    return keep_labels(_labels(item, "PreviousSpec"), reading.notify_label, reading.label_prefix)


def _mode(mode: object) -> _Mode:
    """Jobs run to an end, so nothing should be routed to them and no task is awaited: they count as scaled to 0."""
    if not isinstance(mode, Mapping):
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


def _virtual_ips(item: Mapping[str, object], ingress_networks: frozenset[str]) -> tuple[Interface, ...]:
    return tuple(
        _interfaces(
            _dig(entry, "Addr")
            for entry in _list(_dig(item, "Endpoint", "VirtualIPs"))
            if _dig(entry, "NetworkID") not in ingress_networks
        )
    )


def _ingress_networks(tasks: Iterable[Mapping[str, object]]) -> frozenset[str]:
    """The ids of the networks that carry published ports (Docker API: ``Network.Spec.Ingress`` of an attachment).

    Nearly every published service has an address there, the proxy too, but virtual IPs of that network answer
    only to the routing mesh. Taken for a shared network, it would lead every request nowhere.
    """
    networks = (_dig(entry, "Network") for task in tasks for entry in _list(task.get("NetworksAttachments")))
    return frozenset(_text(_dig(network, "ID")) for network in networks if _is_ingress(network)) - {""}


def _is_ingress(network: object) -> bool:
    return _dig(network, "Spec", "Ingress") is True


def _tasks_by_service(items: Iterable[Mapping[str, object]]) -> dict[str, list[Task]]:
    found: dict[str, list[Task]] = {}
    for item in items:
        found.setdefault(_text(item.get("ServiceID")), []).append(_task(item))
    for tasks in found.values():
        tasks.sort(key=lambda task: (task.slot, task.node, task.id))
    return found


def _task(item: Mapping[str, object]) -> Task:
    return Task(
        id=_identity(item, "ID"),
        slot=_count(item.get("Slot"), 0),
        node=_text(item.get("NodeID")),
        state=_text(_dig(item, "Status", "State")) or "new",
        addresses=tuple(_task_addresses(item)),
    )


def _task_addresses(item: Mapping[str, object]) -> Iterable[Interface]:
    """The addresses of a task, those on ingress networks excepted (see `_ingress_networks`)."""
    for entry in _list(item.get("NetworksAttachments")):
        if not _is_ingress(_dig(entry, "Network")):
            yield from _interfaces(_list(_dig(entry, "Addresses")))


def _interfaces(values: Iterable[object]) -> Iterable[Interface]:
    """Those of the values that are addresses; Docker leaves them empty until they are allocated."""
    for value in values:
        try:
            yield ip_interface(_text(value))
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
    if not isinstance(labels, Mapping) or not all(isinstance(value, str) for value in labels.values()):
        raise ValueError(f"the {spec}.Labels of service {_identity(item, 'ID')} are not texts by name")
    return labels


def _identity(item: Mapping[str, object], *path: str) -> str:
    value = _dig(item, *path)
    if not isinstance(value, str) or not value:
        raise ValueError(f"an object without {'.'.join(path)}")
    return value


def _objects(answer: object, what: str) -> list[Mapping[str, object]]:
    if not isinstance(answer, list) or not all(isinstance(item, Mapping) for item in answer):
        raise ValueError(f"not a list of {what}")
    return answer


def _dig(value: object, *path: str) -> object:
    for key in path:
        if not isinstance(value, Mapping):
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
