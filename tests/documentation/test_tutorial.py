"""The tutorial and the end-to-end tests are of one mind: each command and each answer on the page is in a test."""

import re
from itertools import pairwise

import pytest
from documentation.markdown import ROOT, Block, Page
from documentation.shell import commands_of
from documentation.walk_through import Command, Notes, pairs, take_notes

PAGE = Page(ROOT / "docs" / "tutorial.md")
LEFT_OUT = ("swarm init", "exec", "ps", "network rm", "secret rm", "service rm redis go-demo")
"""Commands of the page that make the beginning and the end, or only look."""

NOT_ON_THE_TESTBED = {"--publish 443"}
"""Options of the page that the tests do without: there is no certificate yet."""

ONLY_TRIED = {
    "--label com.df.servicePath=/vip",
    "--label-add com.df.servicePath=/demo/hello",
    "--label-add com.df.notify=true",
    "--label-rm com.df.notify",
}
"""What the tests try besides."""


@pytest.fixture(scope="module")
def tested() -> Notes:
    """What the end-to-end tests do."""
    return take_notes()


def told() -> tuple[list[Command], list[tuple[str, str, str, int]]]:
    """Return the page's docker commands and its requests, each with the status that the page shows (or else 200)."""
    commands, requests = [], []
    for block, following in pairwise((*PAGE.blocks, Block(0, "", ""))):
        lines = [*commands_of(block)]
        commands += [_command(words, before) for before, words in pairwise(([], *lines)) if _is_told(words)]
        curls = [_request(words) for words in lines if words[:1] == ["curl"]]
        status = re.match(r"HTTP/1.1 (\d+)", following.text)
        expected = [200] * len(curls)
        if status:
            expected[-1] = int(status[1])
        requests += [(*each, wanted) for each, wanted in zip(curls, expected, strict=True)]
    return commands, requests


def _is_told(words: list[str]) -> bool:
    return words[:1] == ["docker"] and not " ".join(words[1:]).startswith(LEFT_OUT)


def _command(words: list[str], before: list[str]) -> Command:
    """Return a docker command; what is piped into it belongs to it."""
    _, kind, verb, *rest = words
    if kind == "secret":
        return Command(f"secret {verb} {rest[0]} {before[-1] if before else ''}", frozenset())
    if (kind, verb) == ("service", "create"):
        image = next(place for place in range(0, len(rest), 2) if not rest[place].startswith("--"))
        name = rest[rest.index("--name") + 1]
        return Command(f"service create {name}", pairs([*rest[:image], *rest[image + 1 :]]) - {f"--name {name}"})
    return Command(f"{kind} {verb} {rest[-1]}", pairs(rest[:-1]))


def _request(words: list[str]) -> tuple[str, str, str]:
    """Return path, host and user of a request."""
    options = dict(pairwise(words))
    return (
        words[-1].removeprefix("http://localhost"),
        options.get("--header", "").removeprefix("Host: "),
        options.get("--user", ""),
    )


def test_commands_of_the_page_are_run(tested: Notes) -> None:
    """With the same labels, and all other options of the page."""
    commands, _ = told()
    assert len(commands) > 20
    assert [each for each in commands if not any(_is_run_by(each, run) for run in tested.commands)] == []


def _is_run_by(told: Command, run: Command) -> bool:
    labels, run_labels = ({each for each in one.options if each.startswith("--label")} for one in (told, run))
    return told.what == run.what and labels == run_labels and told.options - NOT_ON_THE_TESTBED <= run.options


def test_requests_of_the_page_are_sent(tested: Notes) -> None:
    """And they have the same answers."""
    _, requests = told()
    assert len(requests) > 15
    assert [each for each in requests if each not in tested.requests] == []


def test_what_the_walk_through_does_is_on_the_page(tested: Notes) -> None:
    """Labels and variables that are tried are told of."""
    commands, _ = told()
    shown = {option for each in commands for option in each.options}
    tried = {option for each in tested.commands for option in each.options if "com.df." in option or "USERS" in option}
    assert tried
    assert {option for option in tried if option not in shown} <= ONLY_TRIED
