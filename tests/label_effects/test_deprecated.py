"""Spellings from earlier times: they work, and it is said once that there are better ones."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from builders import desired_of, read, service, snapshot
from label_effects.edge import Origin, behind, edge
from label_effects.reading import PLAIN, destination_of
from structlog.testing import capture_logs

from controller.changes import Applied, Outcome
from controller.status import StatusStore
from models.labels.rewriting import PathRewrite
from models.reading import REMOVED
from models.service import SPELLINGS, TABLE

DEPRECATED = sorted({*SPELLINGS.keys() - TABLE.keys(), *(name for name, row in TABLE.items() if row.label.deprecated)})


@pytest.mark.parametrize("name", DEPRECATED)
def test_a_deprecated_label_is_reported(name: str) -> None:
    """The text has both spellings."""
    row = SPELLINGS[name]
    better = row.label.deprecated or row.name
    texts = read(PLAIN | {name: row.label.example}).deprecations
    assert texts == (f"com.df.{name} is deprecated; write com.df.{better} instead",)


@pytest.mark.parametrize("name", sorted(REMOVED))
@pytest.mark.parametrize("index", ["", ".2"])
def test_a_label_that_nothing_is_left_of_is_reported(name: str, index: str) -> None:
    """It does nothing, whatever its value, and costs the service nothing."""
    reading = read(PLAIN | {f"{name}{index}": "anything %[x]\n"})
    assert reading.service == read(PLAIN).service
    (text,) = reading.deprecations
    assert text.startswith(f"com.df.{name}{index} does nothing any more: ")


def test_today_s_labels_are_not_reported() -> None:
    """There is nothing to say about the others."""
    assert read(PLAIN | {"addReqHeader": "A b"}).deprecations == ()


def test_today_s_label_counts_if_both_are_given() -> None:
    """The old spelling is reported all the same."""
    labels = PLAIN | {"addHeader": "X-Old 1", "addReqHeader": "X-New 1"}
    assert [header.name for header in destination_of(labels).headers.add_req_header] == ["X-New"]
    assert len(read(labels).deprecations) == 1


def test_a_problem_names_the_label_as_it_was_written() -> None:
    """The person who reads the message looks for what they wrote."""
    (problem,) = read(PLAIN | {"setHeader": "X"}).problems
    assert problem.label == "com.df.setHeader"
    assert problem.text.startswith("com.df.setHeader=(hidden) ")


def test_search_and_replace_make_the_first_substitution() -> None:
    """It comes before those of today's label; a comma in it divides nothing."""
    labels = {"reqPathSearch": "/a{1,2}", "reqPathReplace": "/b", "reqPathSearchReplace": "/b,/c"}
    assert destination_of(labels).rewriting.rewrites == (PathRewrite("/a{1,2}", "/b"), PathRewrite("/b", "/c"))


def test_a_replacement_of_nothing_does_nothing() -> None:
    """Half of the pair is no pair."""
    assert destination_of({"reqPathReplace": "/b"}).rewriting.rewrites == ()


async def test_they_work(binary: Path, folder: Path, origin: Origin) -> None:
    """Requests are changed as by today's labels."""
    labels = {
        "addHeader": "X-Added 1",
        "setHeader": "X-Set 1",
        "reqPathSearch": "/web/(.*)",
        "reqPathReplace": "/old/\\1",
        "reqPathSearchReplace": "/old/,/new/",
    }
    async with edge(binary, folder, behind(origin, labels)) as proxy:
        await proxy.ask("/web/a")
    got = origin.got()
    assert (got["x-added"], got["x-set"], got[":path"]) == (["1"], ["1"], ["/new/a"])


def test_they_are_logged_once_and_shown() -> None:
    """A warning per service and label, and no more while nothing changes; the status has the texts for as long."""
    status = StatusStore(now=lambda: datetime.now(UTC))
    old = desired_of(snapshot(service("web", PLAIN | {"addHeader": "A b"})))
    with capture_logs() as logs:
        for _ in range(2):
            status.publish(old, Applied(Outcome.NOOP), {})
    text = "com.df.addHeader is deprecated; write com.df.addReqHeader instead"
    assert [log["message"] for log in logs if "deprecated" in log["event"]] == [text]
    assert (status.service_view("web") or {})["deprecated"] == [text]
    status.publish(desired_of(snapshot(service("web", PLAIN))), Applied(Outcome.NOOP), {})
    assert (status.service_view("web") or {})["deprecated"] == []
