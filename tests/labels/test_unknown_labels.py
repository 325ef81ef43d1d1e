"""Labels that are not in the table: ours by a slip of the pen, or somebody else's."""

import pytest
from builders import df, read

from models.reading import LabelRules, read_labels

PLAIN = {"servicePath": "/demo", "port": "8080"}


@pytest.mark.parametrize(
    ("label", "hint"),
    [
        pytest.param("servicepath", "servicePath", id="letter case"),
        pytest.param("servicePaths", "servicePath", id="one letter more"),
        pytest.param("usersPassEncryptd", "usersPassEncrypted", id="one letter less"),
        pytest.param("srvPort", "srcPort", id="another letter"),
        pytest.param("serviceDomain.one", "serviceDomain", id="an index in letters"),
        pytest.param("bogus", None, id="nothing like it"),
        pytest.param("", None, id="the prefix alone"),
    ],
)
def test_unknown_label_is_reported_with_the_nearest_name(label: str, hint: str | None) -> None:
    """A slip of the pen is found by its key, and the likely meaning is offered."""
    reading = read(PLAIN | {label: "x"})
    assert reading.service is None
    assert reading.unknown_only
    (problem,) = reading.problems
    assert problem.text.startswith(f"com.df.{label} is not a label of Swarmgate")
    assert (f"; did you mean com.df.{hint}?" in problem.text) is (hint is not None)
    assert "did you mean None" not in problem.text


@pytest.mark.parametrize(
    ("label", "restricts"),
    [
        pytest.param("user", True, id="users"),
        pytest.param("userSecret", True, id="usersSecret"),
        pytest.param("servicepath", False, id="servicePath"),
        pytest.param("bogus", False, id="nothing"),
    ],
)
def test_unknown_label_that_may_have_been_a_restriction_counts_as_one(label: str, restricts: bool) -> None:  # noqa: FBT001
    """``com.df.user`` was meant to keep people out, so it must not let them in."""
    assert read(PLAIN | {label: "x"}).restricts is restricts


def test_unknown_label_with_markup_is_reported_in_one_harmless_line() -> None:
    """The key is the user's text as much as the value."""
    (problem,) = read(PLAIN | {"evil\n    server x 192.0.2.1:80": "x"}).problems
    assert problem.text.isprintable()


@pytest.mark.parametrize(
    "label",
    ["alertName", "alertIf.1", "scrapePort", "scrapeNetwork", "letsencrypt.host", "letsencrypt.email", "env.zone"],
)
def test_labels_of_companions_are_none_of_our_business(label: str) -> None:
    """Docker Flow Monitor and certificate companions use the same prefix."""
    assert read(PLAIN | {label: "anything\n"}).service is not None


def test_labels_without_the_prefix_are_none_of_our_business() -> None:
    """Services carry labels of other tools."""
    labels = {**df(PLAIN), "traefik.port": "x", "com.docker.stack.namespace": "a", "com.dfx.y": "z"}
    assert read_labels("web", labels, LabelRules()).service is not None


def test_the_opt_in_label_is_not_judged() -> None:
    """Sources have judged it already; it may have any name and value."""
    labels = {**df(PLAIN), "com.df.notify": "%[x]", "com.df.publish": "'"}
    assert read_labels("web", labels, LabelRules(notify_label="com.df.notify")).service is None
    assert read_labels("web", labels, LabelRules(notify_label="com.df.publish")).service is None
    del labels["com.df.publish"]
    assert read_labels("web", labels, LabelRules(notify_label="com.df.notify")).service is not None
