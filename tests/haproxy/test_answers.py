"""The parsers read what HAProxy 2.8, 3.0 and 3.4 really answered, and survive what it may answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controller.haproxy.answers import (
    Processes,
    ProcessInfo,
    ReloadResult,
    UnreadableAnswerError,
    parse_backends,
    parse_help,
    parse_info,
    parse_map,
    parse_map_files,
    parse_new_version,
    parse_processes,
    parse_reload,
    parse_servers,
)
from models.observed import Capability, ObservedServer

HELP = """The following commands are valid at this level:
  add map [@<ver>] <map> <key> <val>      : add a map entry (payload supported instead of key/val)
  add server <bk>/<srv>                   : create a new server
  del server <bk>/<srv>                   : remove a dynamically added server
  help [<command>]                        : list matching or all commands"""
HELP_3_0 = (
    f"{HELP}\n  wait {{-h|<delay_ms>}} cond [args...]      : wait the specified delay or condition (-h to see list)"
)
HELP_3_4 = f"""{HELP_3_0}
  add backend <backend>                   : add a new backend
  del backend <backend>                   : delete a backend
  publish backend <backend>               : mark backend as ready for traffic
  unpublish backend <backend>             : remove backend for traffic processing"""

SHOW_MAP = """# id (file) description
0 (maps/prefix.map) pattern loaded from file 'maps/prefix.map' used by map at file '/s/haproxy.cfg' line 16. curr_ver=0
-1 (/a b/(c).map) pattern loaded from file '/a b/(c).map' used by map at file '/s/haproxy.cfg' line 17. curr_ver=0"""

FIELDS = (
    "be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_uweight srv_iweight "
    "srv_time_since_last_change srv_check_status srv_check_result srv_check_health srv_check_state srv_agent_state "
    "bk_f_forced_id srv_f_forced_id srv_fqdn srv_port srvrecord srv_use_ssl srv_check_port srv_check_addr "
    "srv_agent_addr srv_agent_port"
)
SERVERS = f"""1
# {FIELDS}
3 web 1 web.1 10.0.0.3 2 0 1 1 5 1 0 2 0 0 0 0 - 8080 - 0 0 - - 0
3 web 2 web.2 ::2 0 1 1 1 0 1 0 0 2 0 0 0 - 99 - 0 0 - - 0
4 api 1 api.1 10.0.0.4 0 0 1 1 5 8 2 0 6 0 0 0 - 80 - 0 0 - - 0"""

PROC_HEAD = "#<PID>          <type>          <reloads>       <uptime>        <version>      \n"
PROC_2_8 = f"""{PROC_HEAD}27475           master          2 [failed: 0]   0d00h00m13s     2.8.25-5cf5d0683
# workers
28727           worker          0               0d00h00m01s     2.8.25-5cf5d0683
# old workers
28700           worker          2               0d00h00m01s     2.8.25-5cf5d0683
28710           worker          1               0d00h00m01s     2.8.25-5cf5d0683
# programs
"""
PROC_3_4_FAILED = f"""{PROC_HEAD}25048           master          1 [failed: 1]   0d00h00m01s     3.4.7-1
# workers
# old workers
25051           worker          2               0d00h00m05s     3.4.7-1
25052           worker          1               0d00h00m01s     3.4.7-1
"""


def test_capabilities_are_what_help_lists() -> None:
    """Each version has what the one before has."""
    assert parse_help(HELP) == {Capability.DYNAMIC_SERVERS}
    assert parse_help(HELP_3_0) == {Capability.DYNAMIC_SERVERS, Capability.WAIT}
    assert parse_help(HELP_3_4) == set(Capability)
    assert parse_help("") == frozenset()


def test_backends_need_all_their_commands() -> None:
    """A version that can add a backend but not remove it does not count."""
    assert Capability.DYNAMIC_BACKENDS not in parse_help(HELP_3_4.replace("  unpublish", "  hide"))


def test_info() -> None:
    """What is not needed is skipped."""
    answer = "Name: HAProxy\nVersion: 3.4.7-1\nnode: vm\nPid: 28861\nodd line\nnode: a: b"
    assert parse_info(answer) == ProcessInfo(pid=28861, version="3.4.7-1")


@pytest.mark.parametrize("answer", ["", "Version: 3.4", "Pid: x\nVersion: 3.4"])
def test_info_without_identity_is_unreadable(answer: str) -> None:
    """The process id decides which worker is asked."""
    with pytest.raises(UnreadableAnswerError):
        parse_info(answer)


def test_map_files() -> None:
    """Names may hold nearly everything."""
    assert parse_map_files(SHOW_MAP) == ("maps/prefix.map", "/a b/(c).map")
    assert parse_map_files("# id (file) description") == ()


def test_map_takes_the_first_of_two_equal_keys() -> None:
    """As HAProxy does when it looks the key up."""
    assert parse_map("0x1 /dup one\n0x2 /dup two\n0x3 /a b c") == {"/dup": "one", "/a": "b c"}


def test_unknown_map_is_unreadable() -> None:
    """It is not an empty one."""
    with pytest.raises(UnreadableAnswerError, match="Unknown map identifier"):
        parse_map("Unknown map identifier. Please use #<id> or <file>.")


_words = st.text(st.characters(exclude_characters=" \n"), min_size=1)


@given(st.dictionaries(_words, st.text(st.characters(exclude_characters="\n"))))
def test_map_entries_survive_odd_characters(entries: dict[str, str]) -> None:
    """Line and paragraph separators of other alphabets are no line ends."""
    answer = "\n".join(f"0x7f{n:x} {key} {value}" for n, (key, value) in enumerate(entries.items()))
    assert parse_map(answer) == entries


def test_new_version() -> None:
    """Everything but a number is a refusal."""
    assert parse_new_version("New version created: 17") == 17
    assert parse_new_version("Unknown map identifier. Please use #<id> or <file>.") is None


def test_backends() -> None:
    """The names after the heading."""
    assert parse_backends("# name\nweb-be8080_0\napi") == ("web-be8080_0", "api")
    assert parse_backends("# name") == ()
    with pytest.raises(UnreadableAnswerError):
        parse_backends("Permission denied")


def test_servers() -> None:
    """Maintenance makes a server unready, a failed health check does not."""
    assert parse_servers(SERVERS) == {
        "web": {
            "web.1": ObservedServer("10.0.0.3", 8080),
            "web.2": ObservedServer("::2", 99, ready=False),
        },
        "api": {"api.1": ObservedServer("10.0.0.4", 80)},
    }


def test_servers_are_found_by_their_headings() -> None:
    """A later format of version 1 may have more columns, anywhere."""
    heading = "# new be_name srv_name srv_addr srv_admin_state other srv_port"
    assert parse_servers(f"1\n{heading}\nx web w 10.0.0.1 0 y 80") == {"web": {"w": ObservedServer("10.0.0.1", 80)}}


@pytest.mark.parametrize(
    "answer", ["", "2\n# be_name", "1", "1\n# be_name srv_name", f"1\n# {FIELDS}\n3 web 1 web.1", "Can't find backend."]
)
def test_servers_in_another_format_are_unreadable(answer: str) -> None:
    """Nothing is guessed."""
    with pytest.raises(UnreadableAnswerError):
        parse_servers(answer)


def test_processes() -> None:
    """Old workers are listed, the youngest first."""
    assert parse_processes(PROC_2_8) == Processes(27475, worker=28727, old_workers=(28710, 28700), failed_reloads=0)


def test_worker_after_a_failed_reload() -> None:
    """HAProxy 3.4 calls the worker in force an old one then."""
    assert parse_processes(PROC_3_4_FAILED) == Processes(25048, worker=25052, old_workers=(25051,), failed_reloads=1)


def test_processes_without_worker() -> None:
    """As while HAProxy starts."""
    assert parse_processes(f"{PROC_HEAD}7  master  0 [failed: 0]  0d  3.4\n# workers\n").worker is None
    with pytest.raises(UnreadableAnswerError):
        parse_processes("")


def test_reload() -> None:
    """The log follows two hyphens, where there is one."""
    assert parse_reload("Success=1\n--\n[NOTICE] fine\n\n") == ReloadResult(success=True, log="[NOTICE] fine")
    assert parse_reload("Success=0\n--\n[ALERT] no\n") == ReloadResult(success=False, log="[ALERT] no")
    assert parse_reload("Success=1\n") == ReloadResult(success=True, log="")
    with pytest.raises(UnreadableAnswerError):
        parse_reload("")


@given(st.text())
def test_no_answer_breaks_a_parser(answer: str) -> None:
    """It is read, or it is an `UnreadableAnswerError`."""
    for parse in (parse_info, parse_map, parse_backends, parse_servers, parse_processes, parse_reload):
        try:
            parse(answer)
        except UnreadableAnswerError:
            continue
    parse_help(answer)
    parse_map_files(answer)
