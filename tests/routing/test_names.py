"""Names of TLS connections: looked up as HAProxy does, the tables answer as the plain rules say."""

import random
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from routing.matching import claim as http_claim
from routing.matching import fits

from models.passthrough import (
    NAME,
    NameClaim,
    PassthroughTable,
    Settled,
    handover,
    settle_names,
)
from models.predicates import Predicate
from models.routing import ANY_DOMAIN, Claim

SHARED = frozenset({443})
PORTS = st.sampled_from([443, 8443])
LABELS = st.sampled_from(["a", "b", "shop"])
NAMES = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
PATTERNS = st.one_of(
    st.just(ANY_DOMAIN), NAMES, NAMES.map(lambda name: f"*.{name}"), NAMES.map(lambda name: f"*{name}")
)
TESTS = st.sampled_from(["^a", "b$", "shop"])
MANY = settings(derandomize=True, max_examples=250)


def claim(name: str, backend: str, *, port: int = 443, age: int = 0, service: str = "", test: str = "") -> NameClaim:
    """Return a claim; a ``test`` is a regular expression."""
    return NameClaim(
        port=port,
        name=ANY_DOMAIN if test else name,
        backend=backend,
        service=service or backend,
        acl_name=service or backend,
        index=0,
        created_at=datetime(2024, 1, 1, tzinfo=UTC) - timedelta(seconds=age),
        test=Predicate(NAME, (test,), ("-i", "-m", "reg")) if test else None,
    )


def ended(name: str, service: str, *, age: int = 0) -> list[Claim]:
    """Return the claim of an HTTP service on the shared port."""
    return [http_claim(name, "/", service, age=age)]


CLAIMS = st.lists(
    st.one_of(st.tuples(PATTERNS, PORTS, st.just("")), st.tuples(st.just(ANY_DOMAIN), PORTS, TESTS)), max_size=8
).map(
    lambda rows: [
        claim(name, f"b{number}", port=port, age=-2 * number, test=test)
        for number, (name, port, test) in enumerate(rows)
    ]
)
ENDED = st.lists(PATTERNS, max_size=6).map(
    lambda names: [each for number, name in enumerate(names) for each in ended(name, f"h{number}", age=-2 * number - 1)]
)


def looked_up(table: PassthroughTable, port: int, name: str) -> str | None:
    """Look a name up as the frontend of a port does; None if the connection is not taken at all."""
    frontend = next((each for each in table.ports if each.port == port), None)
    if frontend is None:
        return None
    key = f"{name}#{port}"
    found = table.names.get(key)
    found = found or next((backend for ending, backend in table.endings.items() if key.endswith(ending)), None)
    tests = (rule.backend for rule in frontend.rules if re.search(rule.test.patterns[0], name))
    found = found or next(tests, None) or table.rest.get(str(port))
    return found or (handover(port) if frontend.shared else None)


def expected(claims: Iterable[NameClaim], http: Iterable[Claim], port: int, name: str) -> str | None:
    """Return the same by the stated rules, one claim after the other."""
    here = [each for each in claims if each.port == port]
    rivals = list(http) if port in SHARED else []
    fitting: list[tuple[tuple[object, ...], str]] = []
    for each in here:
        if fits(each.name, name) and (each.test is None or re.search(each.test.patterns[0], name)):
            kind = 2 if each.test else rank(each.name)
            tie = (each.acl_name,) if each.test else each.seniority
            fitting.append(((kind, -len(each.name), *tie), each.backend))
    fitting += [
        ((rank(each.domain), -len(each.domain), *each.seniority), handover(port))
        for each in rivals
        if fits(each.domain, name)
    ]
    if fitting:
        return min(fitting)[1]
    return handover(port) if port in SHARED and here else None


def rank(name: str) -> int:
    """Return how specific a pattern is, the most specific first."""
    return 3 if name == ANY_DOMAIN else int(name.startswith("*"))


@MANY
@given(claims=CLAIMS, http=ENDED, port=PORTS, name=NAMES)
@example(claims=[claim("*.a", "x")], http=ended("b.a", "h"), port=443, name="b.a")
@example(claims=[claim("", "x", test="a")], http=ended("*.a", "h"), port=443, name="b.a")
@example(claims=[claim("*", "x")], http=ended("*", "h", age=1), port=443, name="b.a")
def test_the_maps_answer_as_the_rules_say(claims: list[NameClaim], http: list[Claim], port: int, name: str) -> None:
    """Every precedence at once, with and without HTTPS on the same port."""
    table = settle_names(claims, http, SHARED).table
    answer = expected(claims, http, port, name)
    if not any(each.port == port for each in table.ports):
        assert answer in (None, handover(port))
    else:
        assert looked_up(table, port, name) == answer


@MANY
@given(claims=CLAIMS, http=ENDED, dice=st.randoms(use_true_random=False))
def test_order_of_input_changes_nothing(claims: list[NameClaim], http: list[Claim], dice: random.Random) -> None:
    """Not even the order of the entries: every replica writes the same bytes."""
    once = settle_names(claims, http, SHARED)
    dice.shuffle(claims)
    dice.shuffle(http)
    again = settle_names(claims, http, SHARED)
    assert (once.table, set(once.conflicts), set(once.passed)) == (
        again.table,
        set(again.conflicts),
        set(again.passed),
    )
    for name in ("names", "endings"):
        assert list(getattr(once.table, name).items()) == list(getattr(again.table, name).items())


@MANY
@given(claims=CLAIMS, http=ENDED)
def test_nobody_loses_in_silence(claims: list[NameClaim], http: list[Claim]) -> None:
    """Each claim is a way to its backend or a conflict, and each HTTP service keeps its names or is told."""
    settled = settle_names(claims, http, SHARED)
    losers = {conflict.loser for conflict in settled.conflicts}
    assert {each.backend for each in claims} == set(settled.table.routes) | {each.backend for each in losers}
    told = {(each.service, each.name) for each in settled.passed}
    for each in http:
        domain = each.domain
        kept = expected(claims, http, 443, f"zzz{domain[1:]}" if domain[0] == "*" else domain)
        if (each.service, domain) not in told and domain != ANY_DOMAIN:
            assert kept == handover(443) or any(fits(other.name, domain) for other in claims if other.test is None)


def lost(settled: Settled) -> list[tuple[str, str]]:
    """Return who lost to whom."""
    return [(conflict.loser.service, conflict.winner) for conflict in settled.conflicts]


@pytest.mark.parametrize(
    ("one", "other", "conflict"),
    [
        pytest.param(claim("a.x", "one", age=1), claim("a.x", "two"), True, id="name"),
        pytest.param(claim("*.x", "one", age=1), claim("*.x", "two"), True, id="ending"),
        pytest.param(claim("*", "one", age=1), claim("*", "two"), True, id="everything else"),
        pytest.param(claim("", "one", age=1, test="^a"), claim("", "two", test="^a"), True, id="test"),
        pytest.param(claim("a.x", "one", age=1), claim("a.x", "two", port=8443), False, id="another port"),
        pytest.param(claim("a.x", "one", age=1), claim("*a.x", "two"), False, id="an ending around it"),
        pytest.param(claim("", "one", age=1, test="^a"), claim("", "two", test="^a$"), False, id="another test"),
    ],
)
def test_only_the_same_claim_is_a_conflict(one: NameClaim, other: NameClaim, conflict: bool) -> None:  # noqa: FBT001
    """The older one wins, whatever the order."""
    for claims in ([one, other], [other, one]):
        settled = settle_names(claims, [], SHARED)
        assert lost(settled) == ([("two", "one")] if conflict else [])


def test_an_older_http_service_keeps_its_name() -> None:
    """All who want it passed through are told, and the port is not taken from the HTTP frontend."""
    settled = settle_names([claim("a.x", "one"), claim("a.x", "two", age=-1)], ended("a.x", "web", age=1), SHARED)
    assert lost(settled) == [("one", "web"), ("two", "web")]
    assert settled.table == PassthroughTable()


def test_a_younger_http_service_is_told() -> None:
    """Once, however many routes it has for the name."""
    settled = settle_names([claim("a.x", "one", age=1)], ended("a.x", "web") * 2, SHARED)
    assert [(each.service, each.name, each.port, each.winner) for each in settled.passed] == [
        ("web", "a.x", 443, "one")
    ]
    assert settled.table.names == {"a.x#443": "one"}


def test_a_service_does_not_compete_with_itself() -> None:
    """Of its HTTP on the one port and its TLS on the other each gets what it is for."""
    settled = settle_names([claim("a.x", "one", service="web")], ended("a.x", "web", age=1), SHARED)
    assert (settled.conflicts, settled.passed) == ((), ())
    assert settled.table.names == {"a.x#443": "one"}


def test_only_what_a_wider_claim_would_take_is_in_the_maps() -> None:
    """Thousands of HTTP services cost nothing if the claims are for names of their own."""
    http = [*ended("a.x", "a"), *ended("*.b.x", "b"), *ended("c.y", "c")]
    assert settle_names([claim("z.x", "one")], http, SHARED).table.names == {"z.x#443": "one"}
    table = settle_names([claim("*.x", "one")], http, SHARED).table
    assert table.names == {"a.x#443": handover(443)}
    assert table.endings == {".b.x#443": handover(443), ".x#443": "one"}
    table = settle_names([claim("", "one", test="y")], http, SHARED).table
    assert table.names == {"a.x#443": handover(443), "c.y#443": handover(443)}


def test_challenges_of_authorities_claim_nothing() -> None:
    """They are fetched by HTTP, so whoever answers them does not stand in the way of a catch-all."""
    http = [http_claim(ANY_DOMAIN, "/.well-known/acme-challenge/", "acme", age=1)]
    assert settle_names([claim("*", "one")], http, SHARED).table.rest == {"443": "one"}
