"""What is remembered of services with broken labels, so that another start of the controller withdraws nothing."""

from pathlib import Path

from builders import desired_of, routes, service, snapshot

from controller.last_good import LastGood
from models.settings import ProxySettings
from models.snapshot import Snapshot, SwarmService

GOOD = {"servicePath": "/good", "port": "80", "users": "ann:secret"}
BROKEN = {"servicePath": "/new", "port": "http"}
FILE = "last-good.json"
RULES = ProxySettings().label_rules


def updated(labels: dict[str, str], before: dict[str, str]) -> SwarmService:
    """Return a service as Swarm tells it after an update."""
    return service(labels=labels, previous_labels=service(labels=before).labels)


def started_anew(folder: Path, *worlds: Snapshot) -> LastGood:
    """Return the memory of a controller that starts after another one has converged to some worlds."""
    former = LastGood(folder / FILE, RULES)
    former.forms()
    for world in worlds:
        former.note(world)
    return LastGood(folder / FILE, RULES)


def test_what_was_good_outlives_any_number_of_updates(folder: Path) -> None:
    """Swarm has forgotten it after the second one, even if that only changed the number of tasks."""
    last = snapshot(updated(BROKEN, BROKEN))
    assert routes(desired_of(last)) == {}
    memory = started_anew(folder, snapshot(service(labels=GOOD)), snapshot(updated(BROKEN, GOOD)), last)
    forms = memory.forms()
    assert routes(desired_of(last, forms=forms)) == {"*#/good": "web-be80_0"}
    memory.note(last)
    assert started_anew(folder, last).forms() == forms


def test_only_what_is_needed_is_written_and_only_for_its_owner(folder: Path) -> None:
    """Nothing as long as all labels are valid; it holds passwords."""
    started_anew(folder, snapshot(service(labels=GOOD)))
    assert not (folder / FILE).exists()
    started_anew(folder, snapshot(service(labels=GOOD)), snapshot(updated(BROKEN, GOOD)))
    assert (folder / FILE).stat().st_mode & 0o777 == 0o600
    repaired = started_anew(folder, snapshot(updated(BROKEN, GOOD)), snapshot(service(labels=GOOD)))
    assert repaired.forms() == {}
    gone = started_anew(folder, snapshot(service(labels=GOOD)), snapshot(updated(BROKEN, GOOD)), snapshot())
    assert gone.forms() == {}


def test_a_file_of_no_use_is_as_good_as_none(folder: Path) -> None:
    """Nor does a disk that cannot be written to stop anything."""
    for content in ("nonsense", "[1]", '{"id": 3}', '{"id": ["web", "", 5]}'):
        (folder / FILE).write_text(content)
        assert LastGood(folder / FILE, RULES).forms() == {}
    memory = LastGood(folder / FILE / "below", RULES)
    memory.note(snapshot(service(labels=GOOD)))
    memory.note(snapshot(updated(BROKEN, GOOD)))
