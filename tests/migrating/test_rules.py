"""Rules of Traefik, compared with what they say for every way in which their tests can come out."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.migrating.rules import RuleError, alternatives

NAMES = "abcd"


def matcher(name: str) -> str:
    return f"Path(`/{name}`)"


RULES = st.recursive(
    st.sampled_from(NAMES).map(matcher),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from([" && ", "||"]), inner).map(lambda parts: f"({''.join(parts)})"),
        st.tuples(inner, st.sampled_from([" && ", "||"]), inner).map("".join),
        inner.map(lambda rule: f"!({rule})"),
    ),
    max_leaves=6,
)


@given(RULES, st.sets(st.sampled_from(NAMES)))
def test_alternatives_hold_when_the_rule_does(rule: str, true: set[str]) -> None:
    """Python reads the same operators with the same precedence."""
    as_python = re.sub(r"Path\(`/(.)`\)", r"('\1' in true)", rule)
    as_python = as_python.replace("&&", " and ").replace("||", " or ").replace("!", " not ")
    expected = eval(as_python.strip(), {}, {"true": true})  # noqa: S307  made above
    try:
        found = alternatives(rule)
    except RuleError as error:
        assert "more than" in str(error)  # noqa: PT017  a rule may rightly be too long
        return
    assert any(all((test.arguments[0][1:] in true) != test.negated for test in each) for each in found) == expected


@pytest.mark.parametrize(
    ("rule", "shown"),
    [
        ('Host(`a.com`, "b.com")', ["host(a.com, b.com)"]),
        ("HostRegexp(`{x:[a-z]+}.a.com`)", ["hostregexp({x:[a-z]+}.a.com)"]),
        ('Path("/a\\"b")', ['path(/a"b)']),
    ],
)
def test_arguments_are_read_in_both_ways_of_writing_them(rule: str, shown: list[str]) -> None:
    assert [test.shown for (test,) in alternatives(rule)] == shown


@pytest.mark.parametrize(
    "rule",
    ["Host(`a`", "Host()", "Host(a)", "Host(`a`) &&", "Host(`a`) Path(`/`)", "(Host(`a`)", "&& Host(`a`)", "Host", "§"],
)
def test_what_is_no_rule_is_refused(rule: str) -> None:
    with pytest.raises(RuleError):
        alternatives(rule)


def test_a_rule_with_too_many_alternatives_is_refused() -> None:
    either = "(Path(`/a`) || Path(`/b`) || Path(`/c`))"
    with pytest.raises(RuleError, match="more than 64 alternatives"):
        alternatives(" && ".join([either] * 5))
