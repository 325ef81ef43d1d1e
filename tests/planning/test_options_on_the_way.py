"""While a plan is carried out, no backend is more open than before it and after it, and no list lacks a member."""

from collections.abc import Iterator, Mapping
from copy import deepcopy

from builders import NEW_HAPROXY, observed_of, rendered_of
from hypothesis import given, settings
from planning.running_model import RunningModel
from properties.worlds import GUARDED_WORLDS

from controller.plan import make_plan
from models.observed import Observed
from models.snapshot import Snapshot
from render import records
from render.files import Rendered
from render.options import NAMES

LISTS = [number for number, name in enumerate(NAMES.split("|")) if name.endswith(("Src", "Methods"))]
MANY = settings(derandomize=True, max_examples=60)
Entries = Mapping[str, str]


def states(observed: Observed, rendered: Rendered) -> Iterator[Mapping[str, Entries]]:
    """Yield the maps of each step of the way, the first and the last included; nothing if a reload does it."""
    plan = make_plan(observed, rendered)
    if plan.reload_reasons:
        return
    model = RunningModel(observed)
    yield deepcopy(model.maps)
    for change in plan.changes:
        model.apply(change)
        yield deepcopy(model.maps)


def guards(maps: Mapping[str, Entries], backend: str) -> list[str]:
    """Return what the record of a backend says, by field."""
    return maps[records.OPTIONS].get(backend, "|" * NAMES.count("|")).split("|")


def members(maps: Mapping[str, Entries], name: str) -> set[str]:
    """Return the members of a list."""
    return {key for key in maps[records.MEMBERS] if key.startswith(f"{name}#")}


@MANY
@given(running=GUARDED_WORLDS, wanted=GUARDED_WORLDS)
def test_no_route_is_there_without_what_guards_it(running: Snapshot, wanted: Snapshot) -> None:
    """What a backend asks for before and after, it asks for all the time; and so for what only a route's time asks."""
    way = list(states(observed_of(rendered_of(running), NEW_HAPROXY), rendered_of(wanted)))
    for maps in way:
        for key, route in maps[records.PREFIXES].items():
            backend = route.rpartition("|")[2]
            times = [each for each in (way[0], way[-1]) if each[records.PREFIXES].get(key) == route]
            for field, now in enumerate(guards(maps, backend)):
                said = {guards(each, backend)[field] for each in times}
                assert now or "" in said, (key, backend, field)
            letters = [set(guards(each, backend)[-1]) for each in times]
            assert set(guards(maps, backend)[-1]) >= set.intersection(*letters), (key, backend)


@MANY
@given(running=GUARDED_WORLDS, wanted=GUARDED_WORLDS)
def test_lists_are_whole_while_they_are_in_force(running: Snapshot, wanted: Snapshot) -> None:
    """No member is missing for a moment, neither of a list that comes nor of one that goes."""
    way = list(states(observed_of(rendered_of(running), NEW_HAPROXY), rendered_of(wanted)))
    for maps in way:
        for backend in maps[records.OPTIONS]:
            for name in (guards(maps, backend)[field] for field in LISTS):
                whole = members(way[0], name) | members(way[-1], name)
                assert members(maps, name) == whole
                assert whole or not name
