"""What is said to HAProxy for each change, and what its answers mean."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.changes import (
    BackendAdded,
    BackendPublished,
    BackendRetired,
    Change,
    MapChanged,
    MapReplaced,
    ServerAdded,
    ServerMoved,
    ServerRetired,
)
from controller.errors import PermanentError, RuntimeRefusedError
from controller.haproxy.commands import LINE_LIMIT, Command, Verdict, steps, waves


def say(change: Change, *answers: list[str]) -> list[list[str]]:
    """Return what is said in each turn, payloads after their command; missing answers are empty ones."""
    conversation = steps(change)
    said, turn = [], next(conversation)
    replies = iter(answers)
    while True:
        said.append([command.text + ("" if command.payload is None else f"\n{command.payload}") for command in turn])
        try:
            turn = conversation.send(next(replies, [""] * len(turn)))
        except StopIteration:
            return [lines for lines in said if lines]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        pytest.param(
            BackendAdded("api", "http-1a2b", "http"), [["add backend api from http-1a2b mode http"]], id="add backend"
        ),
        pytest.param(BackendPublished("api"), [["publish backend api"]], id="publish backend"),
        pytest.param(
            ServerAdded("api", "a.1", "10.0.0.2", 80, "weight 3  inter 2s"),
            [["add server api/a.1 10.0.0.2:80 weight 3 inter 2s", "enable server api/a.1"]],
            id="add server",
        ),
        pytest.param(
            ServerAdded("api", "a.1", "fd00::2", 80, "check inter 2s"),
            [["add server api/a.1 [fd00::2]:80 check inter 2s", "enable health api/a.1", "enable server api/a.1"]],
            id="add server with health check",
        ),
        pytest.param(
            ServerMoved("api", "a.1", "10.0.0.3", 81),
            [
                ["set server api/a.1 addr 10.0.0.3 port 81"],
                ["set server api/a.1 state ready", "set server api/a.1 health up"],
            ],
            id="move server",
        ),
        pytest.param(
            ServerRetired("api", "a.1"), [["set server api/a.1 state maint", "del server api/a.1"]], id="retire server"
        ),
        pytest.param(
            MapChanged("m.map", {"/a": "1"}, ("/b", "/c")),
            [["set map m.map /a 1"], ["del map m.map /b", "del map m.map /c"]],
            id="set before del",
        ),
    ],
)
def test_what_is_said(change: Change, said: list[list[str]]) -> None:
    """In turns, of which each is sent when the one before was accepted."""
    assert say(change) == said


def test_entry_that_is_not_there_is_added() -> None:
    """And only that one: adding one that is there would make two of it."""
    change = MapChanged("m.map", {"/a": "1", "/b": "2"}, ("/c",))
    assert say(change, ["", "entry not found."]) == [
        ["set map m.map /a 1", "set map m.map /b 2"],
        ["add map m.map /b 2"],
        ["del map m.map /c"],
    ]


def test_backend_goes_with_the_servers_it_has() -> None:
    """HAProxy itself is asked which these are."""
    state = "1\n# be_name srv_name srv_addr srv_port srv_admin_state\napi a.1 10.0.0.1 80 0\napi a.2 10.0.0.2 80 1"
    first = ["unpublish backend api", "show servers state api"]
    gone = [command for n in (1, 2) for command in (f"set server api/a.{n} state maint", f"del server api/a.{n}")]
    assert say(BackendRetired("api"), ["", state]) == [first, [*gone, "del backend api"]]
    assert say(BackendRetired("api"), ["No such backend.", "Can't find backend."]) == [first, ["del backend api"]]


def test_ordered_map_is_prepared_and_committed() -> None:
    """Under the version number that HAProxy gives."""
    change = MapReplaced("m.map", {r"^/a\.b(c|d)$": "1", ".c": "2"})
    assert say(change, ["New version created: 7"]) == [
        ["prepare map m.map"],
        ["add map @7 m.map <<\n^/a\\.b(c|d)$ 1\n.c 2"],
        ["commit map @7 m.map"],
    ]
    with pytest.raises(RuntimeRefusedError, match="Unknown map"):
        say(change, ["Unknown map identifier."])


def test_large_map_is_cut_into_payloads() -> None:
    """None is larger than HAProxy's buffer, none is empty, and nothing is lost."""
    entries = {f".{n}.example.com": "v" * (n % 90 + 1) for n in range(2000)}
    _, payloads, _ = say(MapReplaced("m.map", entries), ["New version created: 1"])
    bodies = [payload.partition("\n")[2] for payload in payloads]
    assert max(len(body) for body in bodies) <= LINE_LIMIT
    assert "\n".join(bodies).split("\n") == [f"{key} {value}" for key, value in entries.items()]


def test_map_that_becomes_empty_has_no_payload() -> None:
    """An empty payload would end the command early."""
    assert say(MapReplaced("m.map", {}), ["New version created: 1"]) == [["prepare map m.map"], ["commit map @1 m.map"]]


def _verdict(change: Change, index: int, answer: str) -> Verdict:
    return next(steps(change))[index].verdict(answer)


@pytest.mark.parametrize(
    ("change", "index", "answer", "verdict"),
    [
        (ServerAdded("b", "s", "10.0.0.1", 80), 0, "New server registered.", Verdict.DONE),
        (ServerAdded("b", "s", "10.0.0.1", 80), 0, "", Verdict.REFUSED),
        (
            ServerAdded("b", "s", "10.0.0.1", 80),
            0,
            "Already exists a server with the same name in backend.",
            Verdict.REFUSED,
        ),
        (ServerAdded("b", "s", "10.0.0.1", 80), 1, "", Verdict.DONE),
        (ServerMoved("b", "s", "10.0.0.1", 80), 0, "nothing changed", Verdict.DONE),
        (ServerMoved("b", "s", "10.0.0.1", 80), 0, "IP changed from '10.0.0.2' to '10.0.0.1' by 'x'", Verdict.DONE),
        (ServerMoved("b", "s", "10.0.0.1", 80), 0, "Invalid addr 'x'", Verdict.REFUSED),
        (ServerRetired("b", "s"), 0, "No such server.", Verdict.DONE),
        (ServerRetired("b", "s"), 1, "Server deleted.", Verdict.DONE),
        (ServerRetired("b", "s"), 1, "No such backend.", Verdict.DONE),
        (
            ServerRetired("b", "s"),
            1,
            "Server still has connections attached to it, cannot remove it.",
            Verdict.PENDING,
        ),
        (ServerRetired("b", "s"), 1, "This server cannot be removed at runtime due to other", Verdict.REFUSED),
        (BackendRetired("b"), 0, "Unknown command: 'unpublish', but maybe", Verdict.REFUSED),
        (BackendRetired("b"), 1, "anything", Verdict.DONE),
        (MapChanged("m", {"/a": "b"}), 0, "entry not found.", Verdict.DONE),
        (MapChanged("m", {"/a": "b"}), 0, "Unknown map identifier. Please use #<id> or <file>.", Verdict.REFUSED),
    ],
)
def test_what_answers_mean(change: Change, index: int, answer: str, verdict: Verdict) -> None:
    """What cannot be told to be success is none."""
    assert _verdict(change, index, answer) is verdict


def test_last_line_of_an_answer_decides() -> None:
    """HAProxy 3.4 repeats what it said before: ``Server deleted.``, then ``Backend deleted.``."""
    command = Command("del backend b", done=("Backend deleted.",))
    assert command.verdict("Server deleted.\nBackend deleted.") is Verdict.DONE
    assert command.verdict("Server deleted.") is Verdict.REFUSED


def test_an_answer_that_had_no_room_is_asked_for_again() -> None:
    """HAProxy 3.4 puts remarks on servers before an answer, from other commands, and cuts off what is too long."""
    remarks = "\n".join(
        f"Server b{n}/s is going DOWN for maintenance. 0 active and 0 backup servers left. 0 sessions active.\n"
        f"backend 'b{n}' has no server available!\nServer deleted."
        for n in range(10)
    )
    delete = Command("del backend b", done=("Backend deleted.",), pending=("Backend still has",))
    assert delete.verdict(remarks) is Verdict.PENDING
    assert delete.verdict(f"{remarks}\nBackend deleted.") is Verdict.DONE
    assert delete.verdict(f"{remarks}\nThis backend must not be deleted.") is Verdict.REFUSED
    assert Command("add backend b", done=("New backend registered.",)).verdict(remarks) is Verdict.REFUSED


@pytest.mark.parametrize("word", ["", "a b", "a;b", "a\\b", "a\nb", "a\x00", "<<", "<<end"])
def test_words_that_would_be_read_otherwise_are_never_said(word: str) -> None:
    """They are a mistake of ours: labels are checked long before."""
    for change in (
        BackendAdded(word, "p", "http"),
        BackendPublished(word),
        BackendRetired(word),
        ServerAdded("b", word, "10.0.0.1", 80),
        ServerMoved("b", "s", word, 80),
        ServerRetired(word, "s"),
        MapChanged(word, {"/a": "v"}),
        MapReplaced(word, {}),
    ):
        with pytest.raises(PermanentError):
            steps(change)


@pytest.mark.parametrize("word", ["", "a b", "a\nb", "a\x00", "<<", "<<end"])
def test_entries_that_cannot_be_said(word: str) -> None:
    """Neither as a key nor as a value."""
    for change in (MapChanged("m", {word: "v"}), MapChanged("m", {"/a": word}), MapChanged("m", {}, (word,))):
        with pytest.raises(PermanentError):
            steps(change)


def test_further_entries_that_cannot_be_said() -> None:
    """A reference or comment as key, a line end in a value, a line that is too long."""
    for change in (
        MapChanged("m", {"#0x12": "v"}),
        MapReplaced("m", {"#a": "v"}),
        MapReplaced("m", {"/a": "v\n/b w"}),
        MapReplaced("m", {"/a": ""}),
        MapChanged("m", {"/a": "v" * LINE_LIMIT}),
    ):
        with pytest.raises(PermanentError):
            steps(change)


@given(st.text(), st.text())
def test_every_command_is_one_line(key: str, value: str) -> None:
    """Whatever the entries are, nothing becomes a second command."""
    try:
        said = say(MapChanged("m", {key: value}, (key,)), ["entry not found."])
    except PermanentError:
        return
    lines = [line for turn in said for line in turn]
    assert [[re.sub(r"\\(.)", r"\1", word) for word in line.split(" ")] for line in lines] == [
        ["set", "map", "m", key, value],
        ["add", "map", "m", key, value],
        ["del", "map", "m", key],
    ]
    assert not any(char in re.sub(r"\\.", "", line) for line in lines for char in ";\\\n\r")


def test_changes_of_maps_are_waves_of_their_own() -> None:
    """What a map leads to is there before the map says so."""
    add, publish = BackendAdded("a", "p", "http"), BackendPublished("a")
    first, second = MapChanged("m", {"/a": "a"}), MapReplaced("n", {})
    retire = ServerRetired("a", "s")
    assert waves([add, publish, first, second, retire, retire]) == [
        [add, publish],
        [first],
        [second],
        [retire, retire],
    ]
    assert waves([]) == []


def test_what_is_logged_of_a_command_has_no_digest_of_a_password() -> None:
    """Whoever reads logs could try passwords on it."""
    assert Command("add map maps/credentials.map list#5E88 ann").shown == "add map maps/credentials.map (hidden)"
    assert Command("add map maps/prefixes.map * /demo").shown == "add map maps/prefixes.map * /demo"
