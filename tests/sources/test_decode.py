"""The Docker API's JSON, as engines really write it and as they should not, to a `Snapshot`."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.sources.decode import SnapshotDecoder, decode_addresses, find_service_id, opts_in
from models.snapshot import EPOCH, Snapshot, SwarmService

OPTED_IN = {"com.df.notify": "true"}

INGRESS = {"ID": "net-ingress", "Spec": {"Name": "ingress", "Ingress": True}}
FRONT = {"ID": "net-front", "Spec": {"Name": "front"}}


def service(name: str = "web", *, labels: object = None, **parts: object) -> dict[str, Any]:
    spec = {"Name": name, "Labels": OPTED_IN if labels is None else labels} | dict(parts.pop("Spec", {}))
    return {"ID": f"id-{name}", "Spec": spec} | parts


def task(id_: str, *, of: str = "web", **parts: object) -> dict[str, Any]:
    return {"ID": id_, "ServiceID": f"id-{of}"} | parts


def decode_snapshot(services: object, tasks: object, **options: str) -> Snapshot:
    return SnapshotDecoder(**options).decode(encode(services), encode(tasks))


def encode(answer: object) -> bytes:
    return json.dumps(answer, separators=(",", ":")).encode()


def only(services: list[Any], tasks: list[Any] | None = None) -> SwarmService:
    (decoded,) = decode_snapshot(services, tasks or []).services
    return decoded


def test_every_part_of_a_real_answer_is_found() -> None:
    """As Docker Engine 20.10 writes it, shortened only where it says nothing to us."""
    services = json.loads(
        """[{"ID":"icpq","Version":{"Index":18},"CreatedAt":"2026-11-22T20:49:23.400948207Z","Spec":{"Name":"web",
        "Labels":{"com.df.notify":"true","com.df.port":"80","com.docker.stack.namespace":"shop"},"TaskTemplate":{},
        "Mode":{"Replicated":{"Replicas":2}},"EndpointSpec":{"Mode":"vip"}},
        "PreviousSpec":{"Name":"web","Labels":{"com.df.notify":"true","other":"y"}},
        "Endpoint":{"Spec":{"Mode":"vip"},"VirtualIPs":[{"NetworkID":"net-ingress","Addr":"10.0.0.4/24"},
        {"NetworkID":"net-front","Addr":"10.0.1.2/24"}]},"UpdateStatus":{"State":"updating"}}]"""
    )
    tasks = [
        {
            "ID": "zh8x",
            "ServiceID": "icpq",
            "Slot": 1,
            "NodeID": "4895",
            "Status": {"State": "running"},
            "NetworksAttachments": [
                {"Network": INGRESS, "Addresses": ["10.0.0.5/24"]},
                {"Network": FRONT, "Addresses": ["10.0.1.3/24"]},
            ],
        }
    ]
    assert only(services, tasks).model_dump() == {
        "id": "icpq",
        "name": "web",
        "version": 18,
        "created_at": datetime(2026, 11, 22, 20, 49, 23, 400948, UTC),
        "stack": "shop",
        "labels": {"com.df.notify": "true", "com.df.port": "80"},
        "previous_labels": {"com.df.notify": "true"},
        "mode": "replicated",
        "replicas": 2,
        "endpoint_mode": "vip",
        "virtual_ips": ("10.0.1.2/24",),
        "networks": {"10.0.1.0/24": "front"},
        "tasks": (
            {
                "id": "zh8x",
                "slot": 1,
                "node": "4895",
                "state": "running",
                "addresses": ("10.0.1.3/24",),
            },
        ),
        "updating": True,
        "host": None,
    }


def test_services_are_sorted_by_name_and_tasks_by_slot_node_and_id() -> None:
    tasks = [
        task("t4", Slot=2),
        task("t3", Slot=1, NodeID="b"),
        task("t2", Slot=1, NodeID="a"),
        task("t1", Slot=1, NodeID="a"),
    ]
    snapshot = decode_snapshot([service("web"), service("api")], tasks)
    assert [each.name for each in snapshot.services] == ["api", "web"]
    assert [each.id for each in snapshot.services[1].tasks] == ["t1", "t2", "t3", "t4"]


@pytest.mark.parametrize("value", ["true", "1", "yes", "", "anything"])
def test_any_value_but_a_false_one_opts_in(value: str) -> None:
    assert opts_in({"com.df.notify": value})


@pytest.mark.parametrize("value", ["false", "False", "f", "0", "no", "OFF", " false "])
def test_a_false_value_does_not_opt_in(value: str) -> None:
    assert not opts_in({"com.df.notify": value})
    assert decode_snapshot([service(labels={"com.df.notify": value})], []) == Snapshot()


def test_without_the_opt_in_label_a_service_is_not_in_the_snapshot() -> None:
    assert decode_snapshot(
        [service(labels={"com.df.port": "80"}), service(labels=None, Spec={"Labels": None})], []
    ) == (Snapshot())


def test_opt_in_label_and_label_prefix_are_configurable() -> None:
    labels = {"my.notify": "yes", "my.prefix.port": "80", "com.df.port": "81"}
    snapshot = decode_snapshot([service(labels=labels)], [], notify_label="my.notify", label_prefix="my.prefix.")
    assert snapshot.services[0].labels == {"my.notify": "yes", "my.prefix.port": "80"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        pytest.param({"Replicated": {"Replicas": 0}}, ("replicated", 0), id="scaled to nothing"),
        pytest.param({"Replicated": {}}, ("replicated", 1), id="Docker's default"),
        pytest.param({"Global": {}}, ("global", None), id="global"),
        pytest.param({"ReplicatedJob": {"MaxConcurrent": 3}}, ("replicated", 0), id="a job has nothing to route to"),
        pytest.param({"GlobalJob": {}}, ("global", 0), id="global job"),
        pytest.param(None, ("replicated", None), id="unknown"),
    ],
)
def test_modes(mode: object, expected: tuple[str, int | None]) -> None:
    decoded = only([service(Spec={"Mode": mode})])
    assert (decoded.mode, decoded.replicas) == expected
    assert mode is None or decode_snapshot([service(Spec={"Mode": {"GlobalJob": {}}})], []).unsettled == frozenset()


@pytest.mark.parametrize(
    ("endpoint", "spec", "expected"),
    [
        pytest.param({"Spec": {"Mode": "dnsrr"}}, {"Mode": "vip"}, "dnsrr", id="what is, before what is wanted"),
        pytest.param({"Spec": {}}, {"Mode": "dnsrr"}, "dnsrr", id="before the first allocation"),
        pytest.param(None, None, "vip", id="Docker's default"),
    ],
)
def test_endpoint_mode(endpoint: object, spec: object, expected: str) -> None:
    assert only([service(Endpoint=endpoint, Spec={"EndpointSpec": spec})]).endpoint_mode == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2025-01-02T03:04:05.123456789Z", datetime(2025, 1, 2, 3, 4, 5, 123456, UTC)),
        ("2025-01-02T03:04:05.5Z", datetime(2025, 1, 2, 3, 4, 5, 500000, UTC)),
        ("2025-01-02T03:04:05Z", datetime(2025, 1, 2, 3, 4, 5, 0, UTC)),
        ("2025-01-02T03:04:05", datetime(2025, 1, 2, 3, 4, 5, 0, UTC)),
        ("soon", EPOCH),
        (None, EPOCH),
    ],
)
def test_moments(text: str | None, expected: datetime) -> None:
    assert only([service(CreatedAt=text)]).created_at == expected


def test_virtual_ips_of_the_routing_mesh_are_left_out_whoever_tells_that_it_is_one() -> None:
    """The proxy has an address on the ingress network as well, and would take it for a shared network."""
    web = service(Endpoint={"VirtualIPs": [{"NetworkID": "net-ingress", "Addr": "10.0.0.4/24"}]})
    other = task("t1", of="other", NetworksAttachments=[{"Network": INGRESS, "Addresses": ["10.0.0.9/24"]}])
    assert only([web], [other]).virtual_ips == ()


def test_networks_are_named_by_whoever_is_on_them() -> None:
    """The id of a virtual IP's network is all that a service says of it; a task of any service has the name."""
    decoder = SnapshotDecoder()
    web = service(Endpoint={"VirtualIPs": [{"NetworkID": "net-front", "Addr": "10.0.1.2/24"}]})
    other = task("t1", of="other", NetworksAttachments=[{"Network": FRONT, "Addresses": ["10.0.1.9/24"]}])
    back = {"Network": {"ID": "net-back", "Spec": {"Name": "shop_back"}}, "Addresses": ["10.0.2.3/24", "fd00::3/64"]}
    nameless = {"Network": {"ID": "net-x"}, "Addresses": ["10.0.3.3/24"]}
    own = task("t2", NetworksAttachments=[back, nameless])
    assert decoder.decode(encode([web]), encode([])).services[0].networks == {}
    assert decoder.decode(encode([web]), encode([other])).services[0].networks == {"10.0.1.0/24": "front"}
    (decoded,) = decoder.decode(encode([web]), encode([own])).services
    assert decoded.networks == {"10.0.2.0/24": "shop_back", "fd00::/64": "shop_back"}
    assert len(decoded.tasks[0].addresses) == 3


def test_a_network_is_called_by_its_name_or_by_that_within_the_stack() -> None:
    """Its full name goes before."""
    shop = SwarmService(
        id="1", name="shop_web", stack="shop", networks={"10.0.1.0/24": "shop_front", "10.0.2.0/24": "other_front"}
    )
    assert shop.networks_called("front") == shop.networks_called("shop_front") == {"10.0.1.0/24"}
    assert shop.networks_called("other_front") == {"10.0.2.0/24"}
    assert shop.networks_called("back") == frozenset()
    both = shop.model_copy(update={"networks": {"10.0.1.0/24": "shop_front", "10.0.2.0/24": "front"}})
    assert both.networks_called("front") == {"10.0.2.0/24"}


def test_addresses_that_are_not_there_yet_are_left_out() -> None:
    web = service(Endpoint={"VirtualIPs": [{"NetworkID": "n"}, {"NetworkID": "n", "Addr": ""}, {"Addr": "fd00::2/64"}]})
    tasks = [
        task("t1", NetworksAttachments=[{"Network": FRONT}, {"Addresses": None}, {"Addresses": ["", "10.0.1.3/24"]}])
    ]
    decoded = only([web], tasks)
    assert decoded.virtual_ips == ("fd00::2/64",)
    assert decoded.tasks[0].addresses == ("10.0.1.3/24",)


def test_tasks_of_other_services_and_of_none_are_left_out() -> None:
    assert only([service()], [task("t1", of="other"), {"ID": "attached by hand"}]).tasks == ()


@pytest.mark.parametrize("odd", [None, 7, "text", [], {}, True, [None], {"Spec": 1}])
@pytest.mark.parametrize(
    "part", ["Version", "CreatedAt", "Endpoint", "UpdateStatus", "PreviousSpec", "Mode", "EndpointSpec"]
)
def test_an_odd_optional_part_takes_down_neither_its_service_nor_the_others(part: str, odd: object) -> None:
    parts = {"Spec": {part: odd}} if part in ("Mode", "EndpointSpec") else {part: odd}
    assert [each.name for each in decode_snapshot([service(**parts), service("api")], []).services] == ["api", "web"]


@pytest.mark.parametrize(
    ("services", "tasks"),
    [
        pytest.param({"message": "hello"}, [], id="services: an object"),
        pytest.param(None, [], id="services: nothing"),
        pytest.param([1], [], id="services: numbers"),
        pytest.param([{"Spec": {"Name": "web", "Labels": OPTED_IN}}], [], id="service without ID"),
        pytest.param([{"ID": "x", "Spec": {"Labels": OPTED_IN}}], [], id="service without name"),
        pytest.param([service(labels=["com.df.notify=true"])], [], id="labels as list"),
        pytest.param([service(labels={"com.df.notify": True})], [], id="labels that are no texts"),
        pytest.param([], {}, id="tasks: an object"),
        pytest.param([], [None], id="tasks: nulls"),
        pytest.param([service()], [{"ServiceID": "id-web"}], id="task without ID"),
    ],
)
def test_an_answer_that_does_not_say_who_is_who_is_broken_as_a_whole(services: object, tasks: object) -> None:
    with pytest.raises(ValueError, match=r"."):
        decode_snapshot(services, tasks)


def test_the_name_of_a_service_must_match_exactly() -> None:
    services = [service("proxy-old"), service("proxy")]
    assert find_service_id(encode(services), "proxy") == "id-proxy"
    assert find_service_id(encode(services), "prox") is None


def test_addresses_come_without_prefix_length_and_without_the_routing_mesh() -> None:
    attachments = [{"Network": INGRESS, "Addresses": ["10.0.0.5/24"]}, {"Network": FRONT, "Addresses": ["10.0.1.3/24"]}]
    assert decode_addresses(encode([task("t1", NetworksAttachments=attachments), task("t2")])) == {"10.0.1.3"}


def test_what_has_not_changed_is_the_same_object() -> None:
    decoder = SnapshotDecoder()
    tasks = [task("t1", of="web", Slot=1), task("t2", of="api", Slot=1)]
    before = decoder.decode(encode([service("web"), service("api")]), encode(tasks))
    tasks.append(task("t3", of="web", Slot=2))
    after = decoder.decode(encode([service("web"), service("api"), service("shop")]), encode(tasks))
    assert [each.name for each in after.services] == ["api", "shop", "web"]
    assert after.services[0] is before.services[0]
    assert after.services[2].tasks[0] is before.services[1].tasks[0]
    assert [each.id for each in after.services[2].tasks] == ["t1", "t3"]


def test_a_network_that_turns_out_to_be_the_routing_mesh_changes_services_seen_before() -> None:
    decoder = SnapshotDecoder()
    web = [service(Endpoint={"VirtualIPs": [{"NetworkID": "net-ingress", "Addr": "10.0.0.4/24"}]})]
    other = [task("t1", of="other", NetworksAttachments=[{"Network": INGRESS, "Addresses": ["10.0.0.9/24"]}])]
    assert decoder.decode(encode(web), encode([])).services[0].virtual_ips == ("10.0.0.4/24",)
    assert decoder.decode(encode(web), encode(other)).services[0].virtual_ips == ()


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(b' [ {"ID":"1","Spec":{"Name":"a","Labels":{"com.df.notify":""}}} ]\n', id="spaces"),
        pytest.param(
            b'[{"Spec":{"Name":"a","Labels":{"com.df.notify":""}},"ID":"1"},{"ID":"2","Spec":{"Name":"b"}}]',
            id="another order",
        ),
        pytest.param(
            b'[{"ID":"1","X":[{"a":1},{"ID":"2"}],"Spec":{"Name":"a","Labels":{"com.df.notify":""}}}]',
            id="objects with an ID inside",
        ),
        pytest.param(
            b'[{"ID":"1","Spec":{"Name":"a","Labels":{"com.df.notify":"},{\\"ID\\":"}}}]', id="the cut in a text"
        ),
    ],
)
def test_the_form_of_the_json_does_not_matter(body: bytes) -> None:
    assert [each.name for each in SnapshotDecoder().decode(body, b"[]").services] == ["a"]


@pytest.mark.parametrize("body", [b"", b"[", b"[{}", b'[{"ID":"1"', b"[1,]", b"[{},{]", b'[{"ID":"1"},{"ID":"2"}],3'])
def test_what_is_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        SnapshotDecoder().decode(b"[]", body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=12,
)
SERVICES = st.lists(
    st.fixed_dictionaries(
        {
            "ID": st.text("abc", min_size=1, max_size=3),
            "Spec": st.fixed_dictionaries(
                {"Name": st.text("xyz", min_size=1, max_size=3)},
                optional={
                    "Labels": st.dictionaries(
                        st.sampled_from(["com.df.notify", "com.df.port", "x"]), st.text(max_size=5)
                    ),
                    "Mode": JSON,
                    "EndpointSpec": JSON,
                },
            ),
        },
        optional={"Version": JSON, "CreatedAt": JSON, "Endpoint": JSON, "UpdateStatus": JSON},
    ),
    max_size=4,
)
TASKS = st.lists(
    st.fixed_dictionaries(
        {"ID": st.text("ab", min_size=1, max_size=3), "ServiceID": st.text("abc", max_size=3)},
        optional={"Slot": JSON, "NodeID": JSON, "Status": JSON, "NetworksAttachments": JSON},
    ),
    max_size=4,
)


@given(services=JSON, tasks=JSON)
def test_any_json_is_either_decoded_or_refused(services: object, tasks: object) -> None:
    try:
        decode_snapshot(services, tasks)
    except ValueError:
        return


@given(services=SERVICES, tasks=TASKS)
def test_every_opted_in_service_is_there_whatever_its_optional_parts_are(
    services: list[dict[str, Any]], tasks: object
) -> None:
    services = list({each["ID"]: each for each in services}.values())
    expected = sorted(each["Spec"]["Name"] for each in services if opts_in(each["Spec"].get("Labels", {})))
    snapshot = decode_snapshot(services, tasks)
    assert [each.name for each in snapshot.services] == expected
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot
