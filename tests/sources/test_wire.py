"""What a writer writes a reader reads, and what has not changed is not read again."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sources.fake_listener import world

from controller.sources.wire import SnapshotReader, SnapshotWriter
from models.snapshot import Snapshot, StoredCertificate


@given(st.lists(st.dictionaries(st.text(), st.text()), max_size=4))
def test_what_is_written_is_read(labels: list[dict[str, str]]) -> None:
    services = [{"id": str(index), "name": f"web-{index}", "labels": each} for index, each in enumerate(labels)]
    snapshot = Snapshot.model_validate({"services": services})
    body = SnapshotWriter().write(snapshot)
    assert SnapshotReader().read(body) == snapshot
    assert Snapshot.model_validate_json(body) == snapshot
    assert body.count(b"\n") == max(1, len(labels)) + 1


@pytest.mark.parametrize("indent", [None, 1])
def test_any_other_form_of_the_json_is_read_as_well(indent: int | None) -> None:
    snapshot = world("web", "api")
    assert SnapshotReader().read(json.dumps(snapshot.model_dump(mode="json"), indent=indent).encode()) == snapshot


def test_unchanged_services_are_the_same_objects() -> None:
    writer, reader = SnapshotWriter(), SnapshotReader()
    before = world("api", "web")
    first = reader.read(writer.write(before))
    after = Snapshot(services=(before.services[0], before.services[1].model_copy(update={"version": 2})))
    second = reader.read(writer.write(after))
    assert second == after
    assert second.services[0] is first.services[0]


CERTIFICATES = (StoredCertificate(name="shop.pem", content="v1:x", put_at=datetime(2026, 1, 2, tzinfo=UTC), version=7),)


@pytest.mark.parametrize("names", [(), ("api", "web")])
def test_certificates_travel_along(names: tuple[str, ...]) -> None:
    """In any form, and of a newer writer too, who has more to say; unchanged ones are the same objects."""
    writer, reader = SnapshotWriter(), SnapshotReader()
    snapshot = Snapshot(services=world(*names).services, certificates=CERTIFICATES)
    body = writer.write(snapshot)
    first = reader.read(body)
    assert first == Snapshot.model_validate_json(body) == snapshot
    assert reader.read(body).certificates[0] is first.certificates[0]
    assert reader.read(body.removesuffix(b"}") + b',"more":[1]}') == snapshot
    assert reader.read(writer.write(world(*names))).certificates == ()
    changed = snapshot.model_copy(update={"certificates": ()})
    assert Snapshot(services=snapshot.services).digest != snapshot.digest
    assert reader.read(writer.write(changed)).certificates == ()


def test_two_services_that_share_an_id_are_both_written() -> None:
    web, api = world("web").services[0], world("api").services[0]
    snapshot = Snapshot(services=(api, web.model_copy(update={"id": api.id})))
    assert SnapshotReader().read(SnapshotWriter().write(snapshot)) == snapshot


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b'{"services":[\n{"id":"1","name":"x","labels":{"a":1234567}}\n]}', b'{"services":[\n{},\n]}'],
)
def test_what_is_no_snapshot_is_refused_without_quoting_it(body: bytes) -> None:
    with pytest.raises(ValueError, match="it is no snapshot") as caught:
        SnapshotReader().read(body)
    assert "1234567" not in str(caught.value)
