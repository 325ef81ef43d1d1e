"""The routing table: looked up as HAProxy does, it answers as the plain rules say."""

import random
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from routing.matching import CHALLENGE, claim, expected_backend, looked_up, normal_host

from models.router import Router
from models.routing import ANY_DOMAIN, BETWEEN_PATTERNS, Claim, Conflict, RoutingTable

LABELS = st.sampled_from(["a", "b", "shop", "a-b"])
HOSTS = st.lists(LABELS, min_size=1, max_size=4).map(".".join)
DOMAINS = st.one_of(st.just(ANY_DOMAIN), HOSTS, HOSTS.map(lambda host: f"*.{host}"), HOSTS.map(lambda host: f"*{host}"))
SEGMENTS = st.lists(st.sampled_from(["x", "y", "xy", "%20", "!", ""]), max_size=3)
PATHS = st.one_of(
    SEGMENTS.map(lambda parts: "/" + "/".join(parts)),
    SEGMENTS.map(lambda parts: f"{CHALLENGE}{'/'.join(['', *parts])}"),
    st.just("/.well-known"),
)
CLAIMS = st.lists(st.tuples(DOMAINS, PATHS, st.integers(0, 2)), max_size=12).map(
    lambda rows: [claim(domain, path, f"b{n}", age=age) for n, (domain, path, age) in enumerate(rows)]
)


def built(claims: Sequence[Claim]) -> tuple[RoutingTable, tuple[Conflict, ...]]:
    """Return the table of some claims, and all conflicts among them."""
    by_service: dict[str, tuple[Claim, ...]] = {}
    for each in claims:
        by_service[each.service] = (*by_service.get(each.service, ()), each)
    routing = Router()(by_service)
    return routing.table, tuple(conflict for lost in routing.lost.values() for conflict in lost)


def answer(claims: Sequence[Claim], host: str, path: str) -> str | None:
    """Return the backend that the table of some claims has for a request."""
    table, _ = built(claims)
    assert all(len(chain.split(BETWEEN_PATTERNS)) <= table.nested_wildcards for chain in table.wildcards.values())
    return looked_up(
        normal_host(host),
        path,
        is_challenge=path.startswith(CHALLENGE),
        domains=table.domains,
        wildcards=table.wildcards,
        prefixes=table.prefixes,
    )


@settings(derandomize=True, max_examples=250)
@given(claims=CLAIMS, host=HOSTS, path=PATHS)
def test_the_maps_answer_as_the_rules_say(claims: list[Claim], host: str, path: str) -> None:
    """Every precedence at once, against one claim after the other."""
    assert answer(claims, host, path) == expected_backend(claims, host, path)


@settings(derandomize=True, max_examples=150)
@given(claims=CLAIMS, seed=st.randoms(use_true_random=False))
def test_order_of_input_changes_nothing(claims: list[Claim], seed: random.Random) -> None:
    """Not even the order of the entries: every replica writes the same bytes."""
    shuffled = list(claims)
    seed.shuffle(shuffled)
    table, conflicts = built(claims)
    again, conflicts_again = built(shuffled)
    assert (table, set(conflicts)) == (again, set(conflicts_again))
    for name in ("domains", "wildcards", "prefixes"):
        assert list(getattr(table, name).items()) == list(getattr(again, name).items())


@settings(derandomize=True, max_examples=150)
@given(claims=CLAIMS)
def test_every_claim_is_a_route_or_a_conflict(claims: list[Claim]) -> None:
    """Nothing is shadowed silently."""
    table, conflicts = built(claims)
    assert len(table.prefixes) + len(conflicts) == len(claims)
    for conflict in conflicts:
        assert conflict.loser.identity == conflict.winner.identity
        assert conflict.winner.created_at <= conflict.loser.created_at


@settings(derandomize=True, max_examples=150)
@given(claims=CLAIMS)
def test_the_lookup_goes_as_far_as_any_host_needs(claims: list[Claim]) -> None:
    """No host matches more wildcards than are looked at."""
    table, _ = built(claims)
    hosts = [domain.removeprefix("*") for domain in {claim.domain for claim in claims} - {ANY_DOMAIN}]
    matching = [sum(host.endswith(ending) for ending in table.wildcards) for host in hosts]
    assert table.nested_wildcards == max(matching, default=0)


@pytest.mark.parametrize(
    ("claims", "host", "path", "backend"),
    [
        pytest.param([("*", "/", "a")], "x.com", "/y", "a", id="no domain"),
        pytest.param([("x.com", "/", "a")], "y.com", "/", None, id="another domain"),
        pytest.param([("x.com", "/", "a"), ("*", "/", "b")], "x.com", "/", "a", id="exact before none"),
        pytest.param([("x.com", "/", "a"), ("*x.com", "/long", "b")], "x.com", "/long", "a", id="domain before path"),
        pytest.param([("x.com", "/a", "a"), ("*", "/", "b")], "x.com", "/b", "b", id="a domain without path is passed"),
        pytest.param([("*.x.com", "/", "a"), ("*.com", "/", "b")], "y.x.com", "/", "a", id="longest wildcard"),
        pytest.param([("*.x.com", "/", "a")], "x.com", "/", None, id="subdomains only"),
        pytest.param([("*x.com", "/", "a")], "evilx.com", "/", "a", id="any ending"),
        pytest.param([("x.com", "/", "a")], "x.com.evil.net", "/", None, id="exact is not a prefix"),
        pytest.param([("x.com", "/", "a")], "X.COM.:8080", "/", "a", id="case, dot and port of the host"),
        pytest.param([("*", "/demo", "a")], "x.com", "/demo1", "a", id="prefix in bytes"),
        pytest.param([("*", "/demo", "a")], "x.com", "/Demo", None, id="letter case of the path counts"),
        pytest.param([("*", "/a", "a"), ("*", "/a/b", "b")], "x.com", "/a/b/c", "b", id="longest prefix"),
        pytest.param([("*", CHALLENGE, "a"), ("x.com", "/", "b")], "x.com", CHALLENGE, "a", id="challenge first"),
        pytest.param([("*", "/.well-known", "a"), ("x.com", "/", "b")], "x.com", CHALLENGE, "b", id="near a challenge"),
    ],
)
def test_precedence(claims: Sequence[tuple[str, str, str]], host: str, path: str, backend: str | None) -> None:
    """The rules of the module's text, one by one; the plain rules agree."""
    made = [claim(*each) for each in claims]
    assert answer(made, host, path) == backend
    assert expected_backend(made, host, path) == backend
