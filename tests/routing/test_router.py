"""Routes that are settled change by change are those that are settled at once."""

from collections.abc import Mapping
from datetime import timedelta

from builders import BORN
from hypothesis import example, given, settings
from hypothesis import strategies as st
from routing.matching import CHALLENGE

from models.predicates import Predicate
from models.router import Router
from models.routing import ANY_DOMAIN, Claim, PathMatch

NAMES = ("s0", "s1", "s2", "s3", "s4")
DOMAINS = st.sampled_from([ANY_DOMAIN, "x.com", "a.x.com", "*x.com", "*.x.com", "*.a.x.com", "y.org"])
PATHS = st.sampled_from(["/", "/a", "/a/", "/a/b", "/ab", f"{CHALLENGE}/x", "/.well-known"])
TESTS = st.lists(st.sampled_from(["one", "two"]), unique=True, max_size=2).map(
    lambda names: tuple(Predicate(f"req.hdr({name})", ("1",)) for name in names)
)
Claims = Mapping[str, tuple[Claim, ...]]
World = tuple[Claims, bool]


def default(service: str, age: int = 0) -> Claim:
    """Return a claim for whatever nobody else answers."""
    return Claim(ANY_DOMAIN, "", f"{service}-be", service, service, 0, BORN - timedelta(seconds=age), is_default=True)


def path(service: str, route: str, priority: int = 0) -> Claim:
    """Return a claim of a path."""
    return Claim(ANY_DOMAIN, route, f"{service}-be", service, service, 0, BORN, priority=priority)


@st.composite
def claims_of(draw: st.DrawFn, service: str) -> tuple[Claim, ...]:
    """Return the claims of one service."""
    age = draw(st.integers(0, 3))
    if draw(st.integers(0, 5)) == 0:
        return (default(service, age),)
    found = []
    for index in range(draw(st.integers(1, 2))):
        match = draw(st.sampled_from(PathMatch))
        tests = draw(TESTS)
        found.append(
            Claim(
                draw(DOMAINS),
                "" if match is PathMatch.TESTED else draw(PATHS),
                f"{service}-be{index}",
                service,
                service,
                index,
                BORN - timedelta(seconds=age),
                match=match,
                predicates=tests or ((Predicate("path", ("x",)),) if match is PathMatch.TESTED else ()),
                priority=draw(st.sampled_from([0, 0, 5, -1])),
                group=draw(st.sampled_from([None, None, "pool"])),
                weight=draw(st.sampled_from([1, 30])),
                ready=draw(st.booleans()),
            )
        )
    return tuple(dict.fromkeys(found))


WORLDS = st.lists(
    st.tuples(
        st.fixed_dictionaries({}, optional={name: claims_of(name) for name in NAMES}),
        st.sampled_from([False, False, True]),
    ),
    min_size=2,
    max_size=8,
)


@settings(derandomize=True, max_examples=250)
@given(worlds=WORLDS)
@example(worlds=[({"s0": (default("s0"),)}, False), ({"s0": (default("s0"),), "s1": (path("s1", "/", -1),)}, False)])
@example(worlds=[({"s0": (default("s0"),)}, apart) for apart in (False, True, False)])
def test_change_by_change_is_as_at_once(worlds: list[World]) -> None:
    """Tables, rules, splits, words and conflicts."""
    router = Router()
    for claims, default_apart in worlds:
        found = router(claims, default_apart=default_apart)
        at_once = Router()(claims, default_apart=default_apart)
        assert found == at_once
        for name in ("domains", "wildcards", "exacts", "prefixes", "splits"):
            assert [*getattr(found.table, name).items()] == [*getattr(at_once.table, name).items()]
        conflicts = [conflict for lost in found.lost.values() for conflict in lost]
        holders = sum(len(words) for words in found.table.routes.values())
        assert holders + len(conflicts) == sum(map(len, claims.values()))


def test_what_a_change_does_not_touch_stays_the_same_table() -> None:
    """A service with a path of its own changes the table of paths, and no other."""
    router = Router()
    services = {f"w{number}": (path(f"w{number}", f"/w{number}"),) for number in range(20)}
    before = router(services).table
    after = router(services | {"new": (path("new", "/new"),)}).table
    assert set(after.prefixes) - set(before.prefixes) == {"/new"}
    for name in ("domains", "wildcards", "exacts", "rules", "tiers", "splits"):
        assert getattr(after, name) is getattr(before, name)
